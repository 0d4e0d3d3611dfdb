"""A private key that signs for the client, and the certificate that names it.

Python has no RSA, and a package for it is larger than all the rest of a charm. The command
`openssl` is wherever there are CA certificates to verify a token endpoint by. It gets a key in
memory alone: no key is in a file on disk, an environment or a process list.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Far more than any key or certificate has.
_LONGEST = 2**15
_SECONDS = 10
_STDIN = ("-in", "/dev/stdin")
# RFC 7468 section 11, and RFC 1421 section 4.6.1.1 for what is older.
_ENCRYPTED = re.compile(r"-----BEGIN ENCRYPTED |^Proc-Type:.*\bENCRYPTED", re.MULTILINE)
# How the SubjectPublicKeyInfo of RFC 5280 section 4.1.2.7 names algorithms: object identifiers in
# DER, of rsaEncryption (RFC 8017), and of id-ecPublicKey on secp256r1 (RFC 5480).
_ALGORITHMS = {
    bytes.fromhex("06092a864886f70d010101"): "RS256",
    bytes.fromhex("06072a8648ce3d020106082a8648ce3d030107"): "ES256",
}
_NOT_PEM = (
    "enter the PEM with its BEGIN and END lines and with real line breaks, "
    "as juju add-secret NAME {key}#file=FILE does"
)
_NO_PAIR = "key certificate does not belong to private-key: set both to those of one pair"


class UnusableError(Exception):
    """A key or a certificate cannot be used; says which, why, and the remedy."""


class _RefusedError(Exception):
    """openssl ended with an error."""


@dataclasses.dataclass(frozen=True)
class PrivateKey:
    """A key that can sign.

    Attributes:
        pem: Its PEM, without a passphrase.
        public: Its public key, as SubjectPublicKeyInfo in DER.
        algorithm: The name of its signature algorithm (RFC 7518 section 3.1).
    """

    pem: str = dataclasses.field(repr=False)
    public: bytes
    algorithm: str


def problems(private_key: str, certificate: str = "") -> list[str]:
    """Return what is wrong with a private key and its certificate, each PEM, without showing them.

    Args:
        private_key: PEM of the key.
        certificate: PEM of its certificate; empty if there is none.
    """
    try:
        key = load(private_key)
        fits = not certificate or _public_key(certificate) == key.public
    except UnusableError as e:
        return [str(e)]
    return [] if fits else [_NO_PAIR]


def load(pem: str) -> PrivateKey:
    """Return the private key; raises UnusableError."""
    if _ENCRYPTED.search(pem):
        raise UnusableError(
            "key private-key is encrypted: enter it without a passphrase, "
            "as openssl pkey -in FILE writes it"
        )
    try:
        public = _openssl("pkey", *_STDIN, "-pubout", "-outform", "DER", given=pem)
    except _RefusedError:
        raise UnusableError(
            f"key private-key is no private key: {_NOT_PEM.format(key='private-key')}"
        ) from None
    # The identifier stands behind two headers, of four bytes each at the most.
    known = (name for oid, name in _ALGORITHMS.items() if oid in public[: len(oid) + 8])
    algorithm = next(known, None)
    if algorithm is None:
        raise UnusableError(
            "key private-key is of a kind that signs no tokens: make an RSA key of 2048 bits, "
            "or an EC key on P-256"
        )
    return PrivateKey(pem, public, algorithm)


def signed(payload: Mapping[str, str | int], private_key: str, certificate: str = "") -> str:
    """Return a JSON Web Signature in its compact form (RFC 7515 section 3.1).

    Args:
        payload: What is signed.
        private_key: PEM of the key.
        certificate: PEM of the certificate that the header names by its thumbprints (sections
            4.1.7 and 4.1.8); empty if there is none.

    Raises:
        UnusableError: If either cannot be used.
    """
    key = load(private_key)
    header = {"alg": key.algorithm, "typ": "JWT"} | _thumbprints(certificate)
    content = ".".join(_base64url(json.dumps(part).encode()) for part in (header, payload))
    return f"{content}.{_base64url(_sign(key, content.encode()))}"


def _sign(key: PrivateKey, data: bytes) -> bytes:
    """RS256 or ES256 (RFC 7518 sections 3.3 and 3.4); raises UnusableError."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"):
        # A pipe may take no more than a page, where a user of the machine has many of them
        # (pipe(7)): the digest fits, and the key is the standard input.
        with os.fdopen(writing, "wb") as digest:
            digest.write(hashlib.sha256(data).digest())
        sign = ("pkeyutl", "-sign", "-inkey", "/dev/stdin", "-pkeyopt", "digest:sha256")
        try:
            signature = _openssl(*sign, "-in", f"/dev/fd/{reading}", given=key.pem, pipe=reading)
        except _RefusedError:
            raise UnusableError("key private-key signs nothing: make a new one") from None
    return signature if key.algorithm == "RS256" else _fixed_width(signature)


def _thumbprints(certificate: str) -> dict[str, str]:
    if not certificate:
        return {}
    der = _x509(certificate, "-outform", "DER")
    return {
        "x5t": _base64url(hashlib.sha1(der, usedforsecurity=False).digest()),
        "x5t#S256": _base64url(hashlib.sha256(der).digest()),
    }


def _base64url(data: bytes) -> str:
    """RFC 7515 section 2: without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _public_key(certificate: str) -> bytes:
    """Return a certificate's public key as `PrivateKey.public` is; raises UnusableError."""
    lines = _x509(certificate, "-pubkey", "-noout").splitlines()
    return base64.b64decode(b"".join(line for line in lines if not line.startswith(b"-")))


def _x509(certificate: str, *wanted: str) -> bytes:
    try:
        return _openssl("x509", *_STDIN, *wanted, given=certificate)
    except _RefusedError:
        raise UnusableError(
            f"key certificate is no certificate: {_NOT_PEM.format(key='certificate')}"
        ) from None


def _openssl(*command: str, given: str, pipe: int | None = None) -> bytes:
    """Run openssl, and return what it prints.

    Raises:
        UnusableError: If there is no such command.
        _RefusedError: If it refuses what it is given.
    """
    text = given.encode(errors="replace")
    if len(text) > _LONGEST:
        raise _RefusedError
    try:
        done = subprocess.run(
            ["openssl", *command],
            input=text,
            capture_output=True,
            check=False,
            pass_fds=[] if pipe is None else [pipe],
            timeout=_SECONDS,
        )
    except FileNotFoundError:
        raise UnusableError(
            "key private-key needs the command openssl: run apt install openssl"
        ) from None
    except subprocess.TimeoutExpired:
        raise _RefusedError from None
    if done.returncode:
        raise _RefusedError
    return done.stdout


def _fixed_width(signature: bytes) -> bytes:
    """Turn DER (RFC 3279 section 2.2.3) into the two numbers of RFC 7518 section 3.4."""
    numbers: list[bytes] = []
    rest = signature[2:]
    while rest:
        end = 2 + rest[1]
        numbers.append(rest[2:end].lstrip(b"\0").rjust(32, b"\0"))
        rest = rest[end:]
    return b"".join(numbers)
