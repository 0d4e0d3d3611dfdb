"""A private key that signs for the client, and the certificate that names it.

Only here `cryptography` is needed: Python has no RSA.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_NOT_PEM = (
    "enter the PEM with its BEGIN and END lines and with real line breaks, "
    "as juju add-secret NAME {key}#file=FILE does"
)
_NO_PAIR = "key certificate does not belong to private-key: set both to those of one pair"


class UnusableError(Exception):
    """A key or a certificate cannot be used; says which, why, and the remedy."""


def problems(private_key: str, certificate: str = "") -> list[str]:
    """Return what is wrong with a private key and its certificate, each PEM, without showing them.

    Args:
        private_key: PEM of the key.
        certificate: PEM of its certificate; empty if there is none.
    """
    try:
        key = load(private_key)
        algorithm(key)
        fits = not certificate or _public_octets(_certificate(certificate)) == _public_octets(key)
    except UnusableError as e:
        return [str(e)]
    return [] if fits else [_NO_PAIR]


def load(pem: str) -> PrivateKey:
    """Return the private key; raises UnusableError."""
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - 50 ms
    except ImportError:
        raise UnusableError(
            "key private-key needs the Python package cryptography: run pip install cryptography"
        ) from None
    try:
        key: Any = serialization.load_pem_private_key(pem.encode(), None)
    except TypeError:
        raise UnusableError(
            "key private-key is encrypted: enter it without a passphrase, "
            "as openssl pkey -in FILE writes it"
        ) from None
    except Exception:  # noqa: BLE001 - of whatever kind, it is no key
        raise UnusableError(
            f"key private-key is no private key: {_NOT_PEM.format(key='private-key')}"
        ) from None
    return key


def algorithm(key: Any) -> str:  # noqa: ANN401 - PEM holds keys of all kinds
    """Return the name of the signature algorithm (RFC 7518 section 3.1); raises UnusableError."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415 - as above

    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256"
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return "ES256"
    raise UnusableError(
        "key private-key is of a kind that signs no tokens: make an RSA key of 2048 bits, "
        "or an EC key on P-256"
    )


def sign(key: PrivateKey, data: bytes) -> bytes:
    """Return the signature with RS256 or ES256 (RFC 7518 sections 3.3 and 3.4)."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import (  # noqa: PLC0415 - as above
        ec,
        padding,
        rsa,
        utils,
    )

    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    signature = key.sign(data, ec.ECDSA(hashes.SHA256()))
    return b"".join(part.to_bytes(32, "big") for part in utils.decode_dss_signature(signature))


def thumbprints(certificate: str) -> dict[str, str]:
    """Return the header's fields that name a certificate (RFC 7515 sections 4.1.7 and 4.1.8).

    Args:
        certificate: Its PEM; empty if there is none.

    Raises:
        UnusableError: If it is no certificate.
    """
    if not certificate:
        return {}
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    der = _certificate(certificate).public_bytes(serialization.Encoding.DER)
    return {
        "x5t": base64url(hashlib.sha1(der, usedforsecurity=False).digest()),
        "x5t#S256": base64url(hashlib.sha256(der).digest()),
    }


def base64url(data: bytes) -> str:
    """RFC 7515 section 2: without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _certificate(pem: str) -> Any:  # noqa: ANN401 - cryptography is not imported at the top
    from cryptography import x509  # noqa: PLC0415 - as above

    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise UnusableError(
            f"key certificate is no certificate: {_NOT_PEM.format(key='certificate')}"
        ) from None


def _public_octets(holder: Any) -> bytes:  # noqa: ANN401 - a key or a certificate
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    return holder.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
