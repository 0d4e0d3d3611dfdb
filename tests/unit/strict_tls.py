"""A TLS client that verifies as strictly as Python's newest does by default."""

import contextlib
import pathlib
import ssl
from collections.abc import Generator
from typing import Any

import pytest

from tests import token_endpoint
from tests.unit.relay_check import certificate_authority


def strict_context(authority: str) -> ssl.SSLContext:
    """Return a context that trusts one authority (PEM) alone."""
    context = ssl.create_default_context(cadata=authority)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def make_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let contexts be strict by default, as they are from Python 3.13 on, on each Python."""
    create = ssl.create_default_context

    def create_strict(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        context = create(*args, **kwargs)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", create_strict)


@contextlib.contextmanager
def lenient_endpoint(
    monkeypatch: pytest.MonkeyPatch, folder: pathlib.Path
) -> Generator[tuple[token_endpoint.Endpoint, str]]:
    """Serve tokens under an authority that strict clients refuse, to clients that are strict.

    Yields:
        The endpoint, and the authority's certificate (PEM).
    """
    make_default(monkeypatch)
    root = certificate_authority.make(subject="Old CA", authority=True, key_identifiers=False)
    with token_endpoint.serving() as endpoint:
        endpoint.context = certificate_authority.make("localhost", issuer=root).context(folder)
        yield endpoint, root.pem
