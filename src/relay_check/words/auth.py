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
BROWSER_LOGIN = Words(
    NO_PERMISSION,
    "log in by a browser first",
    "The provider wants to see the account's owner before it lets a program in.",
    "Log in at the provider's web page and confirm; if it stays, make an app password there.",
)
SES_CREDENTIALS = Words(
    NO_PERMISSION,
    "Amazon SES refuses the credentials",
    "SES takes SMTP credentials of its own, made for one region: no keys of IAM.",
    "Make SMTP credentials in the SES console, in the region that host names.",
)
SENDGRID_CREDENTIALS = Words(
    NO_PERMISSION,
    "SendGrid refuses the credentials",
    "SendGrid takes the word apikey as the user, and an API key as the password.",
    "Set user=apikey, and password_secret to an API key that may send mail.",
)
SMTP_AUTH_OFF = Words(
    NO_PERMISSION,
    "SMTP AUTH is switched off",
    "SMTP AUTH is off for this mailbox or its whole organization; no password or token helps.",
    "Have its administrator switch SMTP AUTH on for the mailbox, or use another relay.",
)
SECURITY_POLICY = Words(
    NO_PERMISSION,
    "security policy forbids AUTH",
    "A policy of the organization, such as security defaults, keeps programs out.",
    "Have its administrator exempt the account from the policy, or use another relay.",
)
PASSWORDS_OFF = Words(
    NO_PERMISSION,
    "passwords are switched off",
    "The provider lets programs in by OAuth alone; no password helps.",
    "Set auth_type=oauth2 and oauth_secret; what knows passwords alone uses smtp-forwarder.",
)
ACCOUNT_DISABLED = Words(
    NO_PERMISSION,
    "account is disabled",
    "The relay has locked, disabled or suspended the account; the password may be right.",
    "Have the account unlocked by the relay's operator, or at the provider's web page.",
)
PASSWORD_EXPIRED = Words(
    NO_PERMISSION,
    "password has expired",
    "The relay wants a new password for this account.",
    "Change the password at the relay, and set password_secret to the new one.",
)
TOO_MANY_ATTEMPTS = Words(
    TEMPORARY,
    "too many attempts of AUTH",
    "The relay takes no more logins for now, after too many; the password may be right.",
    "Wait an hour without any attempt, and find who tries a wrong password.",
)
AUTH_MECHANISM_REFUSED = Words(
    NO_PERMISSION,
    "AUTH mechanism refused",
    "The relay lists an AUTH mechanism and refuses it all the same.",
    "Ask the relay's operator which mechanism the account may use; check port and host.",
)
AUTH_TEMPORARY = Words(
    TEMPORARY,
    "AUTH fails for now",
    "The relay cannot check the password or token now; it may be right.",
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
DENIED_AFTER_AUTH = Words(
    NO_PERMISSION,
    "denied after AUTH",
    "AUTH succeeded, and the relay refuses this account all the same.",
    "Ask the relay's operator: its rules must let this account send once it has logged in.",
)
TOKEN_IN_CLEAR = Words(
    NO_PERMISSION,
    "token sent in the clear",
    "transport_security=none: everyone on the way can read the token, and send with it.",
    "Set transport_security=starttls or tls: relays that take tokens have it.",
    is_warning=True,
)
AUTH_NO_OAUTH = Words(
    NO_PERMISSION,
    "no AUTH mechanism for tokens",
    "The relay offers {offered}, and auth_type=oauth2 needs XOAUTH2 or OAUTHBEARER.",
    "Set host and port to the provider's server for submission, or use a password.",
)
TOKEN_NOT_TAKEN = Words(
    NO_PERMISSION,
    "relay refuses the token",
    "The identity provider gave a token, which the relay does not take for this mailbox.",
    "Set user to the mailbox that the token is for, and scope to what its relay wants.",
)
TOKEN_SCOPE = Words(
    NO_PERMISSION,
    "scope does not suffice",
    "The relay takes the token, and wants one with another scope.",
    "Set scope to the one that the relay's answer names, and have it consented to.",
)
PRINCIPAL_UNKNOWN = Words(
    NO_PERMISSION,
    "Exchange does not know the application",
    "The token is good, but no service principal of the application has rights on the mailbox.",
    "Run New-ServicePrincipal with the enterprise application's object ID, then "
    "Add-MailboxPermission with FullAccess on the mailbox; SMTP.SendAsApp needs consent.",
)
SEND_AS_DENIED = Words(
    NO_PERMISSION,
    "not allowed to send as the mailbox",
    "The mailbox of the token may not send as {sender}.",
    "Set smtp_sender to the mailbox in user, or have SendAs granted with Add-RecipientPermission.",
)
