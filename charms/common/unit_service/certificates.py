"""A certificate authority of one server, and that server's certificate.

Both fit the profile of RFC 5280, sections 4.1 and 4.2, as strict verifiers ask for it (Python's
`ssl.VERIFY_X509_STRICT`, which is the default since 3.13). A key and its certificate share one
PEM file, so that one is never renewed without the other.
"""

import dataclasses
import datetime as dt
import ipaddress
import pathlib
from collections.abc import Collection

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from unit_service import files

AUTHORITY_LIFETIME = dt.timedelta(days=3650)
SERVER_LIFETIME = dt.timedelta(days=365)
RENEWAL = dt.timedelta(days=30)
# A client whose clock is behind still accepts a new certificate.
_CLOCK_SKEW = dt.timedelta(days=1)
# RFC 5280, appendix A.1, ub-common-name.
_LONGEST_NAME = 64


@dataclasses.dataclass(frozen=True)
class _Credential:
    key: ec.EllipticCurvePrivateKey = dataclasses.field(repr=False)
    certificate: x509.Certificate

    @property
    def certificate_pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    def write(self, path: pathlib.Path) -> None:
        key = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        files.write(path, key.decode("ascii") + self.certificate_pem)


@dataclasses.dataclass(frozen=True)
class ServerCertificate:
    """Where the server's key and certificate are, and the certificate's serial number."""

    path: pathlib.Path
    serial: str


def ensure_authority(directory: pathlib.Path, name: str, now: dt.datetime) -> str:
    """Return the authority's certificate (PEM); make a new one if there is none that lasts.

    Args:
        directory: holds the keys and certificates.
        name: the server's name, for people; the authority is the CA of that name.
        now: a time with its zone; what ends within `RENEWAL` of it is replaced.
    """
    return _authority(directory, name, now).certificate_pem


def ensure_server(
    directory: pathlib.Path, name: str, hosts: Collection[str], now: dt.datetime
) -> ServerCertificate:
    """Return the server's certificate; make a new one if there is none that lasts and fits.

    Args:
        directory: holds the keys and certificates.
        name: the server's name, for people; the authority is the CA of that name.
        hosts: every host name and IP address that clients may connect to.
        now: a time with its zone; what ends within `RENEWAL` of it is replaced.
    """
    authority = _authority(directory, name, now)
    alternatives = x509.SubjectAlternativeName([_general_name(host) for host in sorted(hosts)])
    path = directory / "server.pem"
    server = _read(path)
    if server is None or not _fits(server.certificate, authority, alternatives, now):
        server = _new_server(name, authority, alternatives, now)
        server.write(path)
    return ServerCertificate(path, f"{server.certificate.serial_number:x}")


def _authority(directory: pathlib.Path, name: str, now: dt.datetime) -> _Credential:
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / "authority.pem"
    authority = _read(path)
    if authority is None or not _lasts(authority.certificate, now):
        authority = _new_authority(name, now)
        authority.write(path)
    return authority


def _read(path: pathlib.Path) -> _Credential | None:
    text = files.read(path)
    if text is None:
        return None
    pem = text.encode("ascii")
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} holds a key of another kind")
    return _Credential(key, x509.load_pem_x509_certificate(pem))


def _lasts(certificate: x509.Certificate, now: dt.datetime) -> bool:
    return certificate.not_valid_after_utc - now > RENEWAL


def _fits(
    certificate: x509.Certificate,
    authority: _Credential,
    alternatives: x509.SubjectAlternativeName,
    now: dt.datetime,
) -> bool:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    return (
        _lasts(certificate, now)
        and extension.value == alternatives
        and issuer.value == _authority_key_identifier(authority)
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _new_authority(name: str, now: dt.datetime) -> _Credential:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name, " CA")
    builder = _builder(subject, key, now, AUTHORITY_LIFETIME)
    builder = builder.issuer_name(subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    return _Credential(key, builder.sign(key, hashes.SHA256()))


def _new_server(
    name: str,
    authority: _Credential,
    alternatives: x509.SubjectAlternativeName,
    now: dt.datetime,
) -> _Credential:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_subject(name), key, now, SERVER_LIFETIME)
    builder = builder.issuer_name(authority.certificate.subject)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(authority=False), True),
        (usage, False),
        (alternatives, False),
        (_authority_key_identifier(authority), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return _Credential(key, builder.sign(authority.key, hashes.SHA256()))


def _subject(name: str, kind: str = "") -> x509.Name:
    short = name[: _LONGEST_NAME - len(kind)]
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{short}{kind}")])


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
    lifetime: dt.timedelta,
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _CLOCK_SKEW).not_valid_after(now + lifetime)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(identifier, critical=False)


def _authority_key_identifier(authority: _Credential) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
