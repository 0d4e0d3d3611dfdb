"""A TLS client that verifies as strictly as Python's newest does by default."""

import ssl


def strict_context(authority: str) -> ssl.SSLContext:
    """Return a context that trusts one authority (PEM) alone."""
    context = ssl.create_default_context(cadata=authority)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context
