"""The words of what goes wrong with AUTH."""

from __future__ import annotations

from relay_check.words import LATER, NO_PERMISSION, TEMPORARY, Words

AUTH_IN_CLEAR = Words(
    NO_PERMISSION,
    "password sent in the clear",
    "transport_security=none: everyone on the way can read the password.",
    "Set transport_security=starttls or tls, where the relay has it.",
    is_warning=True,
)
AUTH_AFTER_TLS = Words(
    NO_PERMISSION,
    "AUTH offered after TLS only",
    "The relay offers no AUTH in the clear, but it offers STARTTLS.",
    "Set transport_security=starttls.",
)
AUTH_NOT_OFFERED = Words(
    NO_PERMISSION,
    "AUTH not offered",
    "The relay offers no AUTH on port {port}.",
    "Use port 587 or 465; if the relay knows its clients by address, set auth_type=none.",
)
AUTH_NO_MECHANISM = Words(
    NO_PERMISSION,
    "no common AUTH mechanism",
    "The relay offers {offered}, and clients of auth_type=plain use {usable}.",
    "Have the relay offer PLAIN or LOGIN, or use an account that it lets in by a password.",
)
AUTH_REFUSED = Words(
    NO_PERMISSION,
    "AUTH refused",
    "The relay refuses the user or the password.",
    "Set user and password_secret right; some relays want the whole address as the user.",
)
AUTH_APP_PASSWORD = Words(
    NO_PERMISSION,
    "app password needed",
    "The relay refuses this account's own password for a program.",
    "Make an app password in the account at the provider, and set password_secret to it.",
)
AUTH_TEMPORARY = Words(
    TEMPORARY,
    "AUTH fails for now",
    "The relay cannot check the password now; it may be right.",
    LATER,
)
AUTH_FAILED = Words(
    NO_PERMISSION,
    "AUTH failed",
    "The relay does not let this account in, for a reason of its own.",
    "Read the relay's answer, and ask its operator.",
)
AUTH_REQUIRED = Words(
    NO_PERMISSION,
    "AUTH required",
    "The relay takes mail only after AUTH, but auth_type={auth_type}.",
    "Set auth_type=plain, with user and password_secret.",
)
