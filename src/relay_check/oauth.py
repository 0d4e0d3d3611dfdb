"""OAuth 2.0: the stage `token`, and AUTH with what it brought."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import smtp_oauth
from relay_check import wire
from relay_check.kinds import Kind
from smtp_oauth import sasl

if TYPE_CHECKING:
    from relay_check.session import Record, Session

KINDS = {
    smtp_oauth.Kind.NAME: Kind.TOKEN_HOST_UNKNOWN,
    smtp_oauth.Kind.CONNECTION: Kind.TOKEN_UNREACHABLE,
    smtp_oauth.Kind.TLS: Kind.TOKEN_TLS,
    smtp_oauth.Kind.TIMEOUT: Kind.TOKEN_TIMEOUT,
    smtp_oauth.Kind.NO_TOKEN: Kind.NO_TOKEN,
    smtp_oauth.Kind.TENANT: Kind.TENANT_UNKNOWN,
    smtp_oauth.Kind.CLIENT: Kind.CLIENT_UNKNOWN,
    smtp_oauth.Kind.SECRET_WRONG: Kind.CLIENT_SECRET_WRONG,
    smtp_oauth.Kind.SECRET_EXPIRED: Kind.CLIENT_SECRET_EXPIRED,
    smtp_oauth.Kind.KEY: Kind.CLIENT_KEY_REFUSED,
    smtp_oauth.Kind.SCOPE: Kind.SCOPE_REFUSED,
    smtp_oauth.Kind.CONSENT: Kind.CONSENT_MISSING,
    smtp_oauth.Kind.CLOCK: Kind.CLOCK_SKEW,
    smtp_oauth.Kind.REFRESH_TOKEN: Kind.REFRESH_TOKEN_VOID,
    smtp_oauth.Kind.SUBJECT: Kind.SUBJECT_UNKNOWN,
    smtp_oauth.Kind.POLICY: Kind.TOKEN_POLICY,
    smtp_oauth.Kind.UNUSABLE_KEY: Kind.PRIVATE_KEY_UNUSABLE,
    smtp_oauth.Kind.BUSY: Kind.TOKEN_ENDPOINT_BUSY,
    smtp_oauth.Kind.OTHER: Kind.TOKEN_REFUSED,
}
KEPT = "a refresh token serves one holder, and is not redeemed by a check"


def obtain_token(session: Session, grant: smtp_oauth.Grant, *, redeem: bool) -> None:
    """Go through the stage `token`: ask the endpoint, or with a refresh token look for it only."""
    with session.stage("token") as record:
        record.facts["endpoint"] = session.quote(grant.token_url)
        record.facts["grant"] = grant.kind
        try:
            if grant.refresh_token and not redeem:
                _reach(session, record, grant)
            else:
                _fetch(session, record, grant)
        except smtp_oauth.TokenError as e:
            raise session.failed(KINDS[e.kind], session.quote(e.words)) from None


def _reach(session: Session, record: Record, grant: smtp_oauth.Grant) -> None:
    record.facts["note"] = KEPT
    ca = session.target.tls_ca_chain or ""
    smtp_oauth.reach(grant.token_url, ca=ca, timeout=session.clock.remaining())


def _fetch(session: Session, record: Record, grant: smtp_oauth.Grant) -> None:
    ca = session.target.tls_ca_chain or ""
    token = smtp_oauth.fetch(grant, ca=ca, timeout=session.clock.remaining())
    session.token = token.value
    user = session.target.user or ""
    responses = [_response(session, mechanism, user) for mechanism in sasl.MECHANISMS]
    session.quote.hide_random(token.value, *responses)
    record.facts["expires-in"] = f"{token.expires_in:.0f} s"
    if token.refresh_token:
        session.quote.hide_random(token.refresh_token)
    # Some give one where none was used, and some give the one that was used once more.
    if grant.refresh_token and token.refresh_token not in {"", grant.refresh_token}:
        record.warnings.append(session.diagnose(Kind.REFRESH_TOKEN_ROTATED))


def choose_mechanism(session: Session) -> str:
    """Choose as the library's `connect()` does, so that the two never disagree."""
    offered = session.capabilities["AUTH"]
    chosen = sasl.choose(offered)
    if not chosen:
        listed = session.quote(offered)
        raise session.failed(Kind.AUTH_NO_OAUTH, listed, offered=listed)
    return chosen


def attempt(session: Session, mechanism: str) -> wire.Reply:
    """Send the token, and return the reply with the words of an error challenge in it."""
    response = wire.base64_of(_response(session, mechanism, session.target.user or ""))
    command = wire.auth_command(mechanism, response)
    reply = session.connection.command(command)
    is_alone = not command.endswith(response) or not reply.text.strip()
    if reply.code == wire.CHALLENGE and is_alone:
        reply = session.connection.command(response)
    if reply.code != wire.CHALLENGE:
        return reply
    words = session.quote(sasl.words_of_error(reply.text))
    answer = wire.base64_of(sasl.answer_to_error(mechanism))
    reply = session.connection.command(answer)
    if not words:
        return reply
    return dataclasses.replace(
        reply, lines=(*reply.lines, words), quoted=f"{reply.quoted} ({words})"
    )


def _response(session: Session, mechanism: str, user: str) -> bytes:
    target = session.target
    return sasl.initial_response(
        mechanism, user, session.token, host=session.host, port=target.port
    )
