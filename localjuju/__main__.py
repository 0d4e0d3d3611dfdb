"""``python -m localjuju``: the juju command."""

from __future__ import annotations

import sys

from localjuju import cli

sys.exit(cli.main())
