"""What a relay's answer means: one table, in the order in which it is tried.

Codes alone say little: a 550 5.7.1 can be a block list, a sender that is not the account's, or a
missing AUTH. So the words come first, in the spellings of the servers and providers; then the
enhanced codes (RFC 3463, RFC 7372 and the IANA registry of SMTP Enhanced Status Codes); then the
codes (RFC 5321, RFC 4954 section 6), for relays that say nothing else.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from relay_check import phrases
from relay_check.kinds import Kind

if TYPE_CHECKING:
    from relay_check.wire import Reply

_ENVELOPE = ("mail", "rcpt", "message")
_TO_RECIPIENT = ("rcpt", "message")
_FROM_SENDER = ("mail",)
_GREETING = ("banner", "ehlo")


@dataclasses.dataclass(frozen=True)
class Situation:
    """Where an answer comes, and what was done before.

    Attributes:
        stage: `banner`, `ehlo`, `starttls`, `auth`, `mail`, `rcpt`, or `message` for DATA.
        host: The relay's name.
        encrypted: Whether TLS has begun.
        authenticated: Whether AUTH succeeded.
        auth_offered: Whether the relay offers AUTH.
        by_token: Whether AUTH is by a token, not by a password.
    """

    stage: str
    host: str = ""
    encrypted: bool = False
    authenticated: bool = False
    auth_offered: bool = False
    by_token: bool = False


@dataclasses.dataclass(frozen=True)
class _Rule:
    """A row: it holds where every condition that it names does.

    Attributes:
        words: A pattern in the text without its addresses, in any case.
        enhanced: A pattern of the enhanced code without its class, such as 7.1; "" for none.
    """

    kind: Kind
    stages: tuple[str, ...] = ()
    words: str | None = None
    enhanced: str | None = None
    codes: tuple[int, ...] = ()
    temporary: bool | None = None
    host: str | None = None
    encrypted: bool | None = None
    authenticated: bool | None = None
    auth_offered: bool | None = None
    by_token: bool | None = None

    def holds(self, reply: Reply, text: str, situation: Situation) -> bool:
        conditions = (
            not self.stages or situation.stage in self.stages,
            not self.codes or reply.code in self.codes,
            self.temporary in {None, reply.is_temporary},
            self.encrypted in {None, situation.encrypted},
            self.authenticated in {None, situation.authenticated},
            self.auth_offered in {None, situation.auth_offered},
            self.by_token in {None, situation.by_token},
            self.enhanced is None or re.fullmatch(self.enhanced, reply.enhanced[2:]),
            self.host is None or re.search(self.host, situation.host),
            self.words is None or re.search(self.words, text, re.IGNORECASE),
        )
        return all(conditions)


def kind_of(reply: Reply, situation: Situation) -> Kind:
    """Return what a refusal means, in its situation."""
    text = _searchable(reply)
    return next(rule.kind for rule in _RULES if rule.holds(reply, text, situation))


def _searchable(reply: Reply) -> str:
    # Whatever stands in an address is not the relay's word.
    text = re.sub(r"\S+@\S+", "@", reply.words)
    return " ".join(text.replace("\u2019", "'").split())


def listed(reply: Reply) -> str:
    """Return what to say of the block list that a refusal names; empty if it names none."""
    match = re.search(phrases.LIST_NAME, reply.words, re.IGNORECASE)
    return f", which is on the list {match[1] or match[2]}" if match else ""


_RULES = (
    # STARTTLS, whatever the words: nothing has been said of sender and account.
    _Rule(Kind.STARTTLS_TEMPORARY, ("starttls",), temporary=True),
    _Rule(Kind.STARTTLS_REFUSED, ("starttls",)),
    # No refusal, and not what the command is answered with.
    _Rule(Kind.PROTOCOL, _ENVELOPE, codes=tuple(range(200, 400))),
    # What the network between is like.
    _Rule(Kind.PROXY_PROTOCOL, words=phrases.PROXY_PROTOCOL),
    _Rule(Kind.RESOLVER_REFUSED, words=phrases.RESOLVER_REFUSED),
    _Rule(Kind.BLOCKED, words=phrases.NO_DIRECT_MAIL),
    _Rule(Kind.ADDRESS_NOT_AUTHORIZED, words=phrases.ADDRESS_NOT_AUTHORIZED),
    _Rule(Kind.ADDRESS_NOT_AUTHORIZED, _ENVELOPE, enhanced=r"7\.(51|64)"),
    # TLS; a certificate comes first, because a relay that wants one says TLS too.
    _Rule(Kind.TLS_TOO_OLD, words=phrases.TLS_TOO_OLD),
    _Rule(Kind.CLIENT_CERTIFICATE, words=phrases.CLIENT_CERTIFICATE),
    _Rule(Kind.TLS_REQUIRED, words=phrases.TLS_REQUIRED, encrypted=False),
    _Rule(Kind.TLS_REQUIRED, enhanced=r"7\.1[01]", encrypted=False),
    _Rule(Kind.TLS_REQUIRED, codes=(538,), encrypted=False),
    _Rule(Kind.TLS_REQUIRED, ("auth",), codes=(530,), encrypted=False),
    # The sender's domain does not vouch; before the greeting's name, which SPF can look at.
    _Rule(Kind.SENDER_UNAUTHENTICATED, _ENVELOPE, phrases.SENDER_UNAUTHENTICATED),
    _Rule(Kind.EHLO_REFUSED, words=phrases.EHLO_NAME),
    _Rule(Kind.EHLO_REFUSED, ("ehlo",), phrases.NAME),
    _Rule(Kind.NO_REVERSE_DNS, words=phrases.NO_REVERSE_DNS),
    _Rule(Kind.NO_REVERSE_DNS, enhanced=r"7\.25"),
    _Rule(Kind.SENDER_UNAUTHENTICATED, _ENVELOPE, enhanced=r"7\.(2[0-46]|509|515)"),
    # How much, how often.
    _Rule(Kind.TOO_MANY_CONNECTIONS, words=phrases.TOO_MANY_CONNECTIONS),
    _Rule(Kind.TOO_MANY_ATTEMPTS, words=phrases.TOO_MANY_ATTEMPTS),
    _Rule(Kind.TOO_MANY_ATTEMPTS, ("auth",), phrases.TOO_MUCH),
    _Rule(Kind.TOO_MANY_RECIPIENTS, _ENVELOPE, phrases.TOO_MANY_RECIPIENTS),
    _Rule(Kind.QUOTA_EXHAUSTED, (*_ENVELOPE, "auth"), phrases.QUOTA_OF_PLAN),
    _Rule(Kind.RATE_LIMITED, words=phrases.TOO_MUCH),
    _Rule(Kind.QUOTA_EXHAUSTED, _ENVELOPE, enhanced=r"4\.5", words=r"limit|quota"),
    _Rule(Kind.RATE_LIMITED, _ENVELOPE, enhanced=r"7\.28"),
    _Rule(Kind.MAILBOX_FULL, _TO_RECIPIENT, phrases.MAILBOX_FULL),
    _Rule(Kind.MAILBOX_FULL, _TO_RECIPIENT, enhanced=r"2\.2"),
    _Rule(Kind.QUOTA_EXHAUSTED, (*_ENVELOPE, "auth"), phrases.QUOTA),
    # AUTH: what no other password mends comes before what one does.
    _Rule(Kind.SECURITY_POLICY, ("auth",), phrases.SECURITY_POLICY),
    _Rule(Kind.SMTP_AUTH_OFF, ("auth",), phrases.SMTP_AUTH_OFF),
    # By a token; all that follows is about passwords.
    _Rule(Kind.SEND_AS_DENIED, (*_ENVELOPE, "auth"), phrases.SEND_AS, by_token=True),
    _Rule(Kind.TOKEN_SCOPE, ("auth",), r"insufficient.?scope", by_token=True),
    _Rule(Kind.ACCOUNT_DISABLED, ("auth",), phrases.DISABLED, by_token=True),
    _Rule(Kind.BLOCKED, ("auth",), phrases.BLOCK_LIST, by_token=True),
    _Rule(Kind.BLOCKED, ("auth",), phrases.CLIENT_REFUSED, by_token=True),
    _Rule(Kind.AUTH_MECHANISM_REFUSED, ("auth",), phrases.MECHANISM, by_token=True),
    _Rule(Kind.AUTH_MECHANISM_REFUSED, ("auth",), codes=(504,), by_token=True),
    _Rule(Kind.AUTH_TEMPORARY, ("auth",), temporary=True, by_token=True),
    _Rule(Kind.PRINCIPAL_UNKNOWN, ("auth",), "unsuccessful", r"7\.3", by_token=True),
    _Rule(Kind.TOKEN_NOT_TAKEN, ("auth",), by_token=True),
    _Rule(Kind.PASSWORDS_OFF, ("auth",), phrases.PASSWORDS_OFF),
    _Rule(Kind.BROWSER_LOGIN, ("auth",), phrases.BROWSER_LOGIN),
    _Rule(Kind.BROWSER_LOGIN, ("auth",), codes=(534,), enhanced=r"7\.14"),
    _Rule(Kind.AUTH_APP_PASSWORD, ("auth",), phrases.FOR_PROGRAMS),
    _Rule(Kind.SENDGRID_CREDENTIALS, ("auth",), phrases.SENDGRID, codes=(535, 451)),
    _Rule(Kind.PASSWORD_EXPIRED, ("auth",), phrases.PASSWORD_EXPIRED),
    _Rule(Kind.ACCOUNT_DISABLED, ("auth",), phrases.DISABLED),
    _Rule(Kind.ACCOUNT_DISABLED, ("auth",), enhanced=r"7\.13"),
    _Rule(Kind.AUTH_REFUSED, ("auth",), phrases.CREDENTIALS, enhanced=r"7\.139"),
    _Rule(Kind.PASSWORDS_OFF, ("auth",), enhanced=r"7\.(139|30)"),
    _Rule(Kind.MESSAGE_REFUSED, ("message",), phrases.DANGEROUS_CONTENT, temporary=False),
    _Rule(Kind.BLOCKED, words=phrases.BLOCK_LIST),
    _Rule(Kind.AUTH_MECHANISM_REFUSED, ("auth",), phrases.MECHANISM),
    _Rule(Kind.AUTH_MECHANISM_REFUSED, ("auth",), enhanced=r"7\.4|5\.4"),
    _Rule(Kind.AUTH_MECHANISM_REFUSED, ("auth",), codes=(504,)),
    _Rule(Kind.BLOCKED, ("auth",), phrases.CLIENT_REFUSED),
    _Rule(Kind.AUTH_TEMPORARY, ("auth",), phrases.CHECK_FAILS),
    _Rule(Kind.SES_CREDENTIALS, ("auth",), phrases.SES, enhanced="", codes=(535,)),
    _Rule(Kind.SES_CREDENTIALS, ("auth",), codes=(535,), host=r"\.amazonaws\.com"),
    _Rule(Kind.SENDGRID_CREDENTIALS, ("auth",), codes=(535,), host=r"\bsendgrid\.net"),
    _Rule(Kind.AUTH_APP_PASSWORD, ("auth",), phrases.GMAIL, codes=(535,)),
    _Rule(Kind.AUTH_APP_PASSWORD, ("auth",), codes=(535,), host=phrases.HOSTS_WITH_APPS),
    _Rule(Kind.AUTH_REFUSED, ("auth",), phrases.CREDENTIALS),
    _Rule(Kind.AUTH_TEMPORARY, ("auth",), temporary=True),
    _Rule(Kind.AUTH_REFUSED, ("auth",), r"\bauth\w* (has )?fail"),
    _Rule(Kind.AUTH_REFUSED, ("auth",), enhanced=r"7\.8"),
    _Rule(Kind.AUTH_REFUSED, ("auth",), codes=(535,)),
    _Rule(Kind.AUTH_APP_PASSWORD, ("auth",), codes=(534,)),
    _Rule(Kind.AUTH_FAILED, ("auth",)),
    # Where the envelope is refused for lack of AUTH, or in spite of it.
    _Rule(Kind.RECIPIENT_RESTRICTED, _TO_RECIPIENT, phrases.RECIPIENT_RESTRICTED),
    _Rule(Kind.RECIPIENT_RESTRICTED, _TO_RECIPIENT, enhanced=r"7\.(2|12\d|13[3-6])"),
    _Rule(Kind.ACCOUNT_IN_TEST, _ENVELOPE, phrases.ACCOUNT_IN_TEST),
    _Rule(Kind.NEXT_HOP_FAILS, _ENVELOPE, phrases.NEXT_HOP),
    _Rule(Kind.SENDER_UNVERIFIED, _ENVELOPE, phrases.SENDER_UNVERIFIED),
    _Rule(Kind.ENVELOPE_REFUSED, ("mail", "rcpt"), r"\bstarttls\b", encrypted=True, codes=(530,)),
    _Rule(Kind.AUTH_REQUIRED, _ENVELOPE, phrases.AUTH_REQUIRED, authenticated=False),
    _Rule(Kind.AUTH_REQUIRED, _ENVELOPE, codes=(530,), authenticated=False),
    _Rule(Kind.AUTH_REQUIRED, _ENVELOPE, enhanced=r"7\.57", authenticated=False),
    _Rule(
        Kind.AUTH_REQUIRED,
        _ENVELOPE,
        phrases.CLIENT_DENIED,
        authenticated=False,
        auth_offered=True,
    ),
    _Rule(Kind.DENIED_AFTER_AUTH, _ENVELOPE, phrases.CLIENT_DENIED, authenticated=True),
    _Rule(Kind.SENDER_REFUSED, _ENVELOPE, phrases.SENDER_NOT_OWNED),
    _Rule(Kind.DENIED_AFTER_AUTH, _ENVELOPE, phrases.AUTH_REQUIRED, authenticated=True),
    _Rule(Kind.DENIED_AFTER_AUTH, _ENVELOPE, phrases.RIGHTS, authenticated=True),
    _Rule(Kind.DENIED_AFTER_AUTH, _ENVELOPE, codes=(530,), authenticated=True),
    _Rule(Kind.RELAY_DENIED, _ENVELOPE, phrases.NO_RELAYING, authenticated=False),
    _Rule(Kind.RELAY_DENIED_TO_ACCOUNT, _ENVELOPE, phrases.NO_RELAYING, authenticated=True),
    _Rule(Kind.BLOCKED, (*_GREETING, *_ENVELOPE), phrases.CLIENT_REFUSED),
    _Rule(Kind.BLOCKED, enhanced=r"7\.(50[67]|51[0-3]|6\d\d|708|8\d\d)"),
    # The account, its sender, and the recipient.
    _Rule(Kind.ACCOUNT_DISABLED, ("mail", "message"), phrases.DISABLED),
    _Rule(Kind.ACCOUNT_DISABLED, _ENVELOPE, phrases.SENDING_DISABLED),
    _Rule(Kind.RECIPIENT_INACTIVE, _TO_RECIPIENT, phrases.DISABLED),
    _Rule(Kind.RECIPIENT_INACTIVE, _TO_RECIPIENT, phrases.INACTIVE),
    _Rule(Kind.ADDRESS_SYNTAX, ("mail", "rcpt"), phrases.SYNTAX),
    _Rule(Kind.SENDER_DOMAIN_UNKNOWN, _ENVELOPE, phrases.SENDER_DOMAIN),
    _Rule(Kind.SENDER_DOMAIN_UNKNOWN, _FROM_SENDER, phrases.DOMAIN),
    _Rule(Kind.SENDER_REFUSED, _ENVELOPE, phrases.SENDER),
    _Rule(Kind.SENDER_DOMAIN_UNKNOWN, ("mail", "rcpt"), enhanced=r"1\.8|7\.27"),
    _Rule(Kind.SENDER_REFUSED, _ENVELOPE, enhanced=r"1\.7"),
    _Rule(Kind.RECIPIENT_DOMAIN_UNKNOWN, _TO_RECIPIENT, phrases.DOMAIN),
    # The relay itself.
    _Rule(Kind.GREYLISTED, words=phrases.GREYLISTED, temporary=True),
    _Rule(Kind.GREYLISTED, _ENVELOPE, enhanced=r"2\.0", temporary=True),
    _Rule(Kind.GREYLISTED, _ENVELOPE, r"^service (currently )?unavailable", r"3\.2", codes=(450,)),
    _Rule(Kind.RELAY_FULL, words=phrases.RELAY_FULL),
    _Rule(Kind.TOO_BIG, _ENVELOPE, phrases.TOO_BIG),
    _Rule(Kind.TOO_BIG, _ENVELOPE, enhanced=r"3\.4|2\.3"),
    _Rule(Kind.RELAY_BROKEN, words=phrases.RELAY_BROKEN),
    _Rule(Kind.RELAY_BROKEN, _ENVELOPE, enhanced=r"3\.[05]", temporary=True),
    _Rule(Kind.RELAY_FULL, _ENVELOPE, enhanced=r"3\.1", temporary=True),
    _Rule(Kind.NEXT_HOP_FAILS, _TO_RECIPIENT, enhanced=r"1\.1|4\.1", temporary=True),
    _Rule(Kind.RECIPIENT_DOMAIN_UNKNOWN, _TO_RECIPIENT, enhanced=r"1\.2|4\.4"),
    _Rule(Kind.RECIPIENT_UNKNOWN, ("rcpt",), phrases.RECIPIENT_UNKNOWN, temporary=False),
    _Rule(Kind.RECIPIENT_UNKNOWN, _TO_RECIPIENT, enhanced=r"1\.(1|6|10)|4\.1", temporary=False),
    _Rule(Kind.RECIPIENT_DOMAIN_UNKNOWN, _TO_RECIPIENT, enhanced=r"1\.10"),
    _Rule(Kind.RECIPIENT_INACTIVE, _TO_RECIPIENT, enhanced=r"2\.1"),
    _Rule(Kind.TOO_MANY_RECIPIENTS, _ENVELOPE, enhanced=r"5\.3"),
    # Nothing but a code.
    _Rule(Kind.BUSY, words=phrases.BUSY, temporary=True),
    _Rule(Kind.BUSY, codes=(421,)),
    _Rule(Kind.BUSY, _GREETING, temporary=True),
    _Rule(Kind.REFUSED_FOR_NOW, temporary=True),
    _Rule(Kind.TOO_BIG, _ENVELOPE, codes=(552,), enhanced=r"|[^7].*"),
    _Rule(Kind.ENVELOPE_REFUSED, ("mail", "rcpt"), phrases.POLICY),
    _Rule(Kind.RELAY_DENIED, ("rcpt",), codes=(551, 554), authenticated=False),
    _Rule(Kind.RELAY_DENIED, ("rcpt",), codes=(550,), enhanced=r"7\..*", authenticated=False),
    _Rule(Kind.RELAY_DENIED_TO_ACCOUNT, ("rcpt",), codes=(551,)),
    _Rule(Kind.ENVELOPE_REFUSED, ("rcpt",), enhanced=r"7\..*"),
    _Rule(Kind.RECIPIENT_UNKNOWN, ("rcpt",), codes=(550, 553)),
    _Rule(Kind.SENDER_REFUSED, _FROM_SENDER, codes=(550, 551, 553, 554, 501)),
    _Rule(Kind.ENVELOPE_REFUSED, ("mail", "rcpt")),
    _Rule(Kind.MESSAGE_REFUSED, ("message",)),
    _Rule(Kind.NO_SERVICE, ("banner",), phrases.NO_SERVICE),
    _Rule(Kind.BLOCKED, ("banner",), codes=tuple(range(500, 600))),
    _Rule(Kind.BLOCKED, ("ehlo",), codes=(554,)),
    _Rule(Kind.LMTP_PORT, ("ehlo",), codes=(500, 502)),
    _Rule(Kind.EHLO_REFUSED, ("ehlo",)),
    _Rule(Kind.NOT_SMTP),
)
