"""A filled relation and its secret, for the tests of requirers.

import smtp_charmlib.testing
from ops import testing

def test_mail_is_configured():
    context = testing.Context(MyCharm)
    relation, secret = smtp_charmlib.testing.relay(host="smtp.example.com")
    state = testing.State(relations=[relation], secrets=[secret])
    state = context.run(context.on.relation_changed(relation), state)
    ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ops import testing

import smtp_charmlib as smtp

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["relay", "relay_legacy", "relay_oauth"]

_SOME_GRANT = {
    "token-url": "https://login.example.com/token",
    "client-id": "client",
    "scope": "smtp",
    "client-secret": "client secret",
}


def relay(
    endpoint: str = smtp.DEFAULT_RELATION_NAME,
    *,
    app: str = "smtp-integrator",
    password: str = "password",  # noqa: S107 - of a test
    **fields: object,
) -> tuple[testing.Relation, testing.Secret]:
    """Return a relation with a relay that wants TLS and AUTH, and the secret of its password.

    Args:
        endpoint: The requirer's endpoint.
        app: The provider's name.
        password: What the secret holds.
        fields: Other values for fields of `SmtpRelationData`.

    Returns:
        The relation and the secret, for `testing.State(relations=..., secrets=...)`. Leave the
        secret out to have it not granted.

    Raises:
        TypeError: If one of `fields` is no field of `SmtpRelationData`.
    """
    secret = testing.Secret({"password": password})
    databag = _databag({"password_id": secret.id, **fields})
    return testing.Relation(endpoint, remote_app_name=app, remote_app_data=databag), secret


def relay_legacy(
    endpoint: str = smtp.LEGACY_RELATION_NAME,
    *,
    app: str = "smtp-integrator",
    password: str = "password",  # noqa: S107 - of a test
    **fields: object,
) -> testing.Relation:
    """Return the same relation with the password in the clear, as `smtp-legacy` has it."""
    databag = _databag({"password": password, **fields})
    return testing.Relation(endpoint, remote_app_name=app, remote_app_data=databag)


def relay_oauth(
    endpoint: str = smtp.DEFAULT_RELATION_NAME,
    *,
    app: str = "smtp-integrator",
    grant: Mapping[str, str] = _SOME_GRANT,
    **fields: object,
) -> tuple[testing.Relation, testing.Secret]:
    """Return a relation with a relay that takes tokens, and the secret to fetch them with.

    Args:
        endpoint: The requirer's endpoint.
        app: The provider's name.
        grant: What the secret holds, by the keys of the interface, such as `token-url`.
        fields: Other values for fields of `SmtpRelationData`.

    Returns:
        The relation and the secret, as `relay` does.

    Raises:
        TypeError: If one of `fields` is no field of `SmtpRelationData`.
    """
    secret = testing.Secret(dict(grant))
    without_auth = {"auth_type": smtp.AuthType.NONE, "oauth_id": secret.id}
    databag = _databag({**without_auth, **fields})
    return testing.Relation(endpoint, remote_app_name=app, remote_app_data=databag), secret


def _databag(fields: dict[str, object]) -> dict[str, str]:
    values: dict[str, Any] = {
        "host": "smtp.example.com",
        "port": 587,
        "user": "user",
        "auth_type": smtp.AuthType.PLAIN,
        "transport_security": smtp.TransportSecurity.STARTTLS,
    }
    unknown = fields.keys() - smtp.SmtpRelationData.__annotations__.keys()
    if unknown:
        raise TypeError(f"SmtpRelationData has no field {min(unknown)!r}")
    values.update(fields)
    return smtp.SmtpRelationData(**values).to_relation_data()
