"""A token endpoint for the tests of a folder: its conftest imports these fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import token_endpoint

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Generator


@pytest.fixture(autouse=True)
def no_authorities(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system trust no CA: reading the usual hundred takes most of a test's time."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))


@pytest.fixture(scope="module")
def served() -> Generator[token_endpoint.Endpoint]:
    with token_endpoint.serving() as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(served: token_endpoint.Endpoint) -> Generator[token_endpoint.Endpoint]:
    """Give the endpoint as it was made: what a test scripts is forgotten after it."""
    yield served
    served.forget()
