"""What a relay means that ends TLS with an alert (RFC 8446 section 6, RFC 5246 section 7.2)."""

from __future__ import annotations

import re

from relay_check.kinds import Kind

_ALERTS = {
    "ACCESS_DENIED": "access denied",
    "BAD_CERTIFICATE": "bad certificate, which is the client's",
    "HANDSHAKE_FAILURE": "handshake failure, for want of a common cipher or of a certificate",
    "INSUFFICIENT_SECURITY": "insufficient security, the ciphers of this machine are too weak",
    "INTERNAL_ERROR": "internal error, mostly of a relay that has no certificate",
    "UNRECOGNIZED_NAME": "unrecognized name, the relay knows no host of this name",
}


def words(reason: str) -> str | None:
    """Return an alert in words; None if the reason of an SSLError is no alert of the relay."""
    # Such as SSLV3_ALERT_HANDSHAKE_FAILURE; one of them has no ALERT in its name.
    match = re.fullmatch(r"(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?(\w+)", reason)
    if not match or ("_ALERT_" not in reason and match[1] != "UNRECOGNIZED_NAME"):
        return None
    return _ALERTS.get(match[1], match[1].replace("_", " ").lower())


def kind(reason: str) -> Kind:
    """Return what the reason of an SSLError means, where nothing else is known."""
    if "CERTIFICATE_REQUIRED" in reason:
        return Kind.CLIENT_CERTIFICATE
    return Kind.TLS_ALERT if words(reason) else Kind.TLS_FAILED
