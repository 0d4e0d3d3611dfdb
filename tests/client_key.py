"""Keys of OAuth clients for tests, and the check of what they signed."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from tests.unit.relay_check import certificate_authority as ca


@dataclasses.dataclass(frozen=True)
class Key:
    """A client's key and the certificate of it, as PEM."""

    private: str
    certificate: str

    @property
    def thumbprints(self) -> dict[str, str]:
        """What an assertion's header names the certificate by (RFC 7515 section 4.1)."""
        der = self._x509.public_bytes(serialization.Encoding.DER)
        digests = {
            "x5t": hashlib.sha1(der, usedforsecurity=False).digest(),
            "x5t#S256": hashlib.sha256(der).digest(),
        }
        return {
            name: base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            for name, digest in digests.items()
        }

    def verify(self, algorithm: str, signed: bytes, signature: bytes) -> None:
        """Raise InvalidSignature unless the key made the signature (RFC 7518 section 3)."""
        key = self._x509.public_key()
        if isinstance(key, rsa.RSAPublicKey) and algorithm == "RS256":
            key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm == "ES256":
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
        else:
            raise InvalidSignature

    @property
    def _x509(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate.encode())


def make(*, elliptic: bool = False) -> Key:
    """Return an RSA or EC (P-256) key, with a certificate that it signed itself."""
    private = (
        ec.generate_private_key(ec.SECP256R1())
        if elliptic
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    name = ca.distinguished_name("mailer")
    certificate = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(ca.now() - ca.DAY)
        .not_valid_after(ca.now() + ca.DAY)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Key(pem.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode())


@functools.cache
def shared(*, elliptic: bool = False) -> Key:
    """Return a key that is made once, because making one takes its time."""
    return make(elliptic=elliptic)
