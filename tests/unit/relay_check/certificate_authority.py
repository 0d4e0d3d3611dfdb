"""Certificates of every kind that a relay can have."""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
import ssl
import warnings
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

DAY = dt.timedelta(days=1)


def now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc).replace(microsecond=0)


ORGANIZATION = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test")


def distinguished_name(
    name: str, organization: x509.NameAttribute[str] = ORGANIZATION
) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), organization])


def utc(year: int, month: int, day: int) -> dt.datetime:
    return dt.datetime(year, month, day, 3, 4, tzinfo=dt.timezone.utc)


def general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate with its key, and what stands above it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    issuer: Certificate | None = None

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def context(
        self,
        folder: pathlib.Path,
        *,
        maximum: ssl.TLSVersion | None = None,
        above: Sequence[Certificate] = (),
    ) -> ssl.SSLContext:
        """Return a server's context; it sends the certificate, and those `above` it."""
        path = folder / f"{self.certificate.serial_number}.pem"
        key = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        chain = "".join(certificate.pem for certificate in (self, *above))
        path.write_bytes(chain.encode() + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        if maximum:
            with warnings.catch_warnings():
                # Python calls the versions obsolete that this relay is to speak.
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = ssl.TLSVersion.TLSv1
                context.maximum_version = maximum
            context.set_ciphers("ALL:@SECLEVEL=0")
        return context


def make(  # noqa: PLR0913 - each is one thing that can be wrong with a certificate
    *names: str,
    issuer: Certificate | None = None,
    subject: str | None = None,
    authority: bool = False,
    begin: dt.datetime | None = None,
    end: dt.datetime | None = None,
    key_identifiers: bool = True,
    organization: x509.NameAttribute[str] = ORGANIZATION,
) -> Certificate:
    """Make a certificate; one without an issuer signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    distinguished = distinguished_name(subject or names[0], organization)
    builder = (
        x509.CertificateBuilder()
        .subject_name(distinguished)
        .issuer_name(issuer.certificate.subject if issuer else distinguished)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin or now() - DAY)
        .not_valid_after(end or now() + 90 * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([general_name(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(usage, critical=False)
    if authority:
        builder = builder.add_extension(
            x509.KeyUsage(
                key_cert_sign=True,
                crl_sign=True,
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    if key_identifiers:
        issuer_key = (issuer.key if issuer else key).public_key()
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        ).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
        )
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    return Certificate(certificate, key, issuer)
