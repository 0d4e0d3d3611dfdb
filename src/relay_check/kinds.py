"""The diagnoses: what can be found, each with its code and its words."""

from __future__ import annotations

import enum

from relay_check.words import Words, auth, mail, tls, way


class Kind(enum.Enum):
    """What a diagnosis is.

    Attributes:
        exit_code: What the shell gets, from sysexits.h.
        title: A few words, which what was seen follows.
        sentence: What it means.
        remedy: What mends it.
        is_warning: Whether it comes as a warning only, and fails nothing.
    """

    HOST_UNKNOWN = way.HOST_UNKNOWN
    DNS_TEMPORARY = way.DNS_TEMPORARY
    CONNECTION_REFUSED = way.CONNECTION_REFUSED
    CONNECTION_FILTERED = way.CONNECTION_FILTERED
    UNREACHABLE = way.UNREACHABLE
    ADDRESS_FAILS = way.ADDRESS_FAILS
    NOT_SMTP = way.NOT_SMTP
    SILENT = way.SILENT
    CLEAR_ON_TLS_PORT = way.CLEAR_ON_TLS_PORT
    TLS_ON_CLEAR_PORT = way.TLS_ON_CLEAR_PORT
    BLOCKED = way.BLOCKED
    BUSY = way.BUSY
    EHLO_REFUSED = way.EHLO_REFUSED
    PROTOCOL = way.PROTOCOL
    DISCONNECTED = way.DISCONNECTED
    TIMEOUT = way.TIMEOUT

    STARTTLS_NOT_OFFERED = tls.STARTTLS_NOT_OFFERED
    STARTTLS_TEMPORARY = tls.STARTTLS_TEMPORARY
    STARTTLS_REFUSED = tls.STARTTLS_REFUSED
    TLS_VERSION = tls.TLS_VERSION
    TLS_FAILED = tls.TLS_FAILED
    CA_CHAIN_UNUSABLE = tls.CA_CHAIN_UNUSABLE
    CA_CHAIN_INCOMPLETE = tls.CA_CHAIN_INCOMPLETE
    CERTIFICATE_NAME = tls.CERTIFICATE_NAME
    CERTIFICATE_SELF_SIGNED = tls.CERTIFICATE_SELF_SIGNED
    CERTIFICATE_UNKNOWN_CA = tls.CERTIFICATE_UNKNOWN_CA
    CERTIFICATE_EXPIRED = tls.CERTIFICATE_EXPIRED
    CERTIFICATE_NOT_YET_VALID = tls.CERTIFICATE_NOT_YET_VALID
    CERTIFICATE_REFUSED = tls.CERTIFICATE_REFUSED
    CERTIFICATE_NOT_STRICT = tls.CERTIFICATE_NOT_STRICT
    CERTIFICATE_UNVERIFIED = tls.CERTIFICATE_UNVERIFIED
    TLS_REQUIRED = tls.TLS_REQUIRED

    AUTH_IN_CLEAR = auth.AUTH_IN_CLEAR
    AUTH_AFTER_TLS = auth.AUTH_AFTER_TLS
    AUTH_NOT_OFFERED = auth.AUTH_NOT_OFFERED
    AUTH_NO_MECHANISM = auth.AUTH_NO_MECHANISM
    AUTH_REFUSED = auth.AUTH_REFUSED
    AUTH_APP_PASSWORD = auth.AUTH_APP_PASSWORD
    AUTH_TEMPORARY = auth.AUTH_TEMPORARY
    AUTH_FAILED = auth.AUTH_FAILED
    AUTH_REQUIRED = auth.AUTH_REQUIRED

    SENDER_REFUSED = mail.SENDER_REFUSED
    RELAY_DENIED = mail.RELAY_DENIED
    RECIPIENT_UNKNOWN = mail.RECIPIENT_UNKNOWN
    GREYLISTED = mail.GREYLISTED
    TOO_BIG = mail.TOO_BIG
    ENVELOPE_REFUSED = mail.ENVELOPE_REFUSED
    REFUSED_FOR_NOW = mail.REFUSED_FOR_NOW
    ADDRESS_NOT_ASCII = mail.ADDRESS_NOT_ASCII
    MESSAGE_REFUSED = mail.MESSAGE_REFUSED
    RECIPIENTS_LEFT_OUT = mail.RECIPIENTS_LEFT_OUT

    def __init__(self, words: Words) -> None:
        self.exit_code = words.exit_code
        self.title = words.title
        self.sentence = words.sentence
        self.remedy = words.remedy
        self.is_warning = words.is_warning

    @property
    def code(self) -> str:
        """For programs, such as `auth-refused`; it is stable."""
        return self.name.lower().replace("_", "-")
