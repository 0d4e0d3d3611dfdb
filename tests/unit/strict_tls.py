"""A TLS client that verifies as strictly as Python's newest does by default."""

import ssl
from typing import Any

import pytest


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
