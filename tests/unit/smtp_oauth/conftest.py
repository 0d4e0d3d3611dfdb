from __future__ import annotations

from tests.unit.endpoint_fixtures import endpoint, no_authorities, served

__all__ = ["endpoint", "no_authorities", "served"]
