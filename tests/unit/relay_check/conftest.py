from __future__ import annotations

import certificate_authority as ca
import checking
import pytest

from tests.unit.endpoint_fixtures import endpoint, no_authorities, served

__all__ = ["endpoint", "no_authorities", "pki", "served"]


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> checking.Pki:
    root = ca.make(subject="Test CA", authority=True)
    return checking.Pki(tmp_path_factory.mktemp("pki"), root)
