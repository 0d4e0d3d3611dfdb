import datetime as dt
import pathlib
import ssl
import stat

import pytest
import strict_tls
from cryptography import x509

from unit_service import certificates

HOSTS = {"localhost", "127.0.0.1", "::1", "mail_1.example.com"}
NOW = dt.datetime.now(dt.timezone.utc)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def authorities(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "certificates"


def shake_hands(authority: str, server: pathlib.Path, host: str) -> None:
    """Have a strict client meet a server; raises what the client says of the certificate."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(server)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_side = strict_tls.strict_context(authority).wrap_bio(
        to_client, to_server, server_hostname=host
    )
    server_side = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(2):
        for side in (client_side, server_side):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client_side.version() == "TLSv1.3"
    assert client_side.getpeercert()


@pytest.mark.parametrize("host", sorted(HOSTS))
def test_a_strict_client_accepts_every_host(authorities: pathlib.Path, host: str) -> None:
    server = certificates.ensure_server(authorities, "CA", HOSTS, NOW)
    authority = certificates.ensure_authority(authorities, "CA", NOW)
    shake_hands(authority, server.path, host)


def test_another_host_is_refused(authorities: pathlib.Path) -> None:
    server = certificates.ensure_server(authorities, "CA", HOSTS, NOW)
    authority = certificates.ensure_authority(authorities, "CA", NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        shake_hands(authority, server.path, "example.com")


def test_what_lasts_and_fits_is_kept(authorities: pathlib.Path) -> None:
    first = certificates.ensure_server(authorities, "CA", HOSTS, NOW)
    files = {path: path.read_text() for path in authorities.iterdir()}
    later = NOW + certificates.SERVER_LIFETIME - certificates.RENEWAL - SECOND
    assert certificates.ensure_server(authorities, "CA", sorted(HOSTS), later) == first
    assert {path: path.read_text() for path in authorities.iterdir()} == files


def test_a_certificate_near_its_end_is_renewed(authorities: pathlib.Path) -> None:
    first = certificates.ensure_server(authorities, "CA", HOSTS, NOW)
    authority = certificates.ensure_authority(authorities, "CA", NOW)
    later = NOW + certificates.SERVER_LIFETIME - certificates.RENEWAL
    assert certificates.ensure_server(authorities, "CA", HOSTS, later).serial != first.serial
    assert certificates.ensure_authority(authorities, "CA", later) == authority


def test_a_new_host_makes_a_new_certificate(authorities: pathlib.Path) -> None:
    first = certificates.ensure_server(authorities, "CA", HOSTS, NOW)
    authority = certificates.ensure_authority(authorities, "CA", NOW)
    second = certificates.ensure_server(authorities, "CA", {*HOSTS, "192.0.2.7"}, NOW)
    assert second.serial != first.serial
    shake_hands(authority, second.path, "192.0.2.7")


def test_an_authority_near_its_end_is_renewed_with_what_it_signed(
    authorities: pathlib.Path,
) -> None:
    made = NOW - certificates.AUTHORITY_LIFETIME + certificates.RENEWAL
    first = certificates.ensure_authority(authorities, "CA", made)
    old = certificates.ensure_server(authorities, "CA", HOSTS, NOW - SECOND)
    assert certificates.ensure_authority(authorities, "CA", NOW - SECOND) == first
    new = certificates.ensure_server(authorities, "CA", HOSTS, NOW)
    authority = certificates.ensure_authority(authorities, "CA", NOW)
    assert authority != first
    assert new.serial != old.serial
    shake_hands(authority, new.path, "localhost")


def test_keys_are_for_their_owner_alone(authorities: pathlib.Path) -> None:
    certificates.ensure_server(authorities, "CA", HOSTS, NOW)
    assert stat.S_IMODE(authorities.stat().st_mode) == 0o700
    assert {path.name for path in authorities.iterdir()} == {"authority.pem", "server.pem"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in authorities.iterdir()} == {0o600}


def test_a_name_that_is_too_long_is_cut(authorities: pathlib.Path) -> None:
    name = "a server of a unit with a very long name that goes on and on/" + "0" * 20
    certificates.ensure_server(authorities, name, HOSTS, NOW)
    found = {
        path.name: x509.load_pem_x509_certificate(path.read_bytes()).subject.rfc4514_string()
        for path in authorities.iterdir()
    }
    assert found == {
        "authority.pem": f"CN={name[:61]} CA",
        "server.pem": f"CN={name[:64]}",
    }


def test_the_authority_is_shown_without_its_key(authorities: pathlib.Path) -> None:
    authority = certificates.ensure_authority(authorities, "CA", NOW)
    assert authority.startswith("-----BEGIN CERTIFICATE-----\n")
    assert "PRIVATE" not in authority
