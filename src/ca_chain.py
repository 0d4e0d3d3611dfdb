"""The CA certificates that an operator entered: PEM (RFC 7468), or base64 of PEM."""

from __future__ import annotations

import base64
import re

from problem import Problem

MAX_LENGTH = 100_000
"""Characters of PEM that are published, a hundred certificates' worth or less.

Many requirers hand them to a workload as one environment variable, for which Linux has 128 KiB
with its name (execve(2), MAX_ARG_STRLEN).
"""

# RFC 7468 section 2.
_PEM_BLOCK = re.compile(
    r"-----BEGIN ([A-Z0-9 ]+)-----(?:(?!-----BEGIN).)*?-----END \1-----", re.DOTALL
)


def normalise(text: str, *, remedy: str) -> str:
    """Return the certificates alone, each with a newline behind it.

    Args:
        text: What the operator entered; text around the certificates is dropped.
        remedy: How to enter certificates that are right.

    Raises:
        Problem: If it is no certificate, a private key, or more than requirers can take.
    """
    pem = _pem_text(text)
    blocks = list(_PEM_BLOCK.finditer(pem))
    if any("PRIVATE KEY" in block[1] for block in blocks):
        raise Problem("has a private key in it; enter the CA certificates alone")
    certificates = [f"{block[0]}\n" for block in blocks if block[1] == "CERTIFICATE"]
    if not certificates or len(certificates) != pem.count("-----BEGIN"):
        raise Problem(f"has no certificate or a broken one in it; {remedy}")
    length = sum(map(len, certificates))
    if length > MAX_LENGTH:
        raise Problem(
            f"has {length} characters of certificates, and requirers can take {MAX_LENGTH}; "
            "enter the relay's own CA alone"
        )
    for number, certificate in enumerate(certificates, start=1):
        if not _is_certificate(certificate):
            raise Problem(f"certificate {number} is malformed; {remedy}")
    return "".join(certificates)


def _pem_text(text: str) -> str:
    if "-----BEGIN" in text:
        return text
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except ValueError:
        return ""


def _is_certificate(pem: str) -> bool:
    import ssl  # noqa: PLC0415 - 10 ms at every event, paid where there is a certificate

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, TypeError):  # TypeError where it is not ASCII.
        return False
    return True
