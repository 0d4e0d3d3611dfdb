"""The CA certificates that verify the relay: PEM (RFC 7468), or base64 of PEM."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LENGTH = 100_000
"""Characters of PEM that are published, a hundred certificates' worth or less.

Many requirers hand them to a workload as one environment variable, for which Linux has 128 KiB
with its name (execve(2), MAX_ARG_STRLEN).
"""

# RFC 7468 section 2.
_PEM_BLOCK = re.compile(
    r"-----BEGIN ([A-Z0-9 ]+)-----(?:(?!-----BEGIN).)*?-----END \1-----", re.DOTALL
)


def entered(text: str, *, remedy: str) -> list[str]:
    """Return the certificates that an operator entered, each alone, with a newline behind it.

    Args:
        text: What was entered; text around the certificates is dropped.
        remedy: How to enter certificates that are right.

    Raises:
        Problem: If it is no certificate, or a private key.
    """
    pem = _pem_text(text)
    blocks = list(_PEM_BLOCK.finditer(pem))
    if any("PRIVATE KEY" in block[1] for block in blocks):
        raise Problem("has a private key in it; enter the CA certificates alone")
    certificates = [f"{block[0]}\n" for block in blocks if block[1] == "CERTIFICATE"]
    if not certificates or len(certificates) != pem.count("-----BEGIN"):
        raise Problem(f"has no certificate or a broken one in it; {remedy}")
    for number, certificate in enumerate(certificates, start=1):
        if not _is_certificate(certificate):
            raise Problem(f"certificate {number} is malformed; {remedy}")
    return certificates


def offered(texts: Iterable[str]) -> tuple[list[str], int]:
    """Return the certificates that applications offer, and how many of them are none.

    Args:
        texts: Each a certificate as PEM, or a chain of them.
    """
    # What has no certificate in it was meant to be one.
    found = [certificate for text in texts for certificate in _certificates(text) or [text]]
    usable = [one for one in found if _certificates(one) and _is_certificate(one)]
    return usable, len(found) - len(usable)


def joined(certificates: Iterable[str], *, remedy: str) -> str:
    """Return certificates as one text, each once, in the order in which they first come.

    Args:
        certificates: Each as PEM; two are the same where they are so without blanks.
        remedy: How to come to fewer.

    Raises:
        Problem: If they are more than requirers can take.
    """
    chain = "".join({"".join(one.split()): one for one in certificates}.values())
    if len(chain) > MAX_LENGTH:
        raise Problem(
            f"has {len(chain)} characters of certificates, and requirers can take {MAX_LENGTH}; "
            f"{remedy}"
        )
    return chain


def _certificates(text: str) -> list[str]:
    blocks = _PEM_BLOCK.finditer(text)
    return [f"{block[0]}\n" for block in blocks if block[1] == "CERTIFICATE"]


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
