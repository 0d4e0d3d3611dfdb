import pathlib

import mail_servers
import pytest


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> mail_servers.Machine:
    return mail_servers.Machine(tmp_path)
