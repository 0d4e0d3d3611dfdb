"""The words of what goes wrong on the way to a token of OAuth 2.0."""

from __future__ import annotations

from relay_check.words import (
    NO_HOST,
    NO_PERMISSION,
    PROTOCOL_ERROR,
    TEMPORARY,
    UNAVAILABLE,
    Words,
)

TOKEN_HOST_UNKNOWN = Words(
    NO_HOST,
    "token endpoint's name does not resolve",
    "The DNS knows no address of the host in token-url, or does not answer.",
    "Set token-url right in the secret of oauth_secret; check the DNS of this machine.",
)
TOKEN_UNREACHABLE = Words(
    UNAVAILABLE,
    "token endpoint cannot be reached",
    "No connection can be made from this machine to the host in token-url.",
    "Open the way to it, mostly on port 443, or set the model's juju-https-proxy.",
)
TOKEN_TLS = Words(
    UNAVAILABLE,
    "TLS with the token endpoint fails",
    "The certificate of the host in token-url cannot be verified, or the handshake fails.",
    "Add the CA of an identity provider of your own, or of a proxy on the way, to tls_ca_chain.",
)
TOKEN_TIMEOUT = Words(
    TEMPORARY,
    "token endpoint is silent",
    "The host in token-url gave no answer in time.",
    "Look for a firewall that drops connections to it; try again in some minutes.",
)
NO_TOKEN = Words(
    PROTOCOL_ERROR,
    "no token in the answer",
    "What token-url answers is neither a token nor a refusal of OAuth 2.0.",
    "Set token-url to the provider's token endpoint, and look for a proxy that answers for it.",
)
TENANT_UNKNOWN = Words(
    NO_PERMISSION,
    "tenant unknown",
    "The identity provider knows no tenant or realm as in token-url, or not for this application.",
    "Set token-url to the endpoint of the tenant that the application is registered in.",
)
CLIENT_UNKNOWN = Words(
    NO_PERMISSION,
    "application unknown",
    "The identity provider knows no application with this client-id, or has it disabled.",
    "Set client-id to the application's ID, and token-url to the tenant that it is registered in.",
)
CLIENT_SECRET_WRONG = Words(
    NO_PERMISSION,
    "client secret refused",
    "The identity provider refuses the client-secret, or wants one.",
    "Set client-secret to the value of a secret of this application, not to the secret's ID.",
)
CLIENT_SECRET_EXPIRED = Words(
    NO_PERMISSION,
    "client secret has expired",
    "The identity provider knows the client-secret, and its time is over.",
    "Make a new secret for the application, and set client-secret to its value.",
)
CLIENT_KEY_REFUSED = Words(
    NO_PERMISSION,
    "private key refused",
    "The identity provider does not take what private-key signed for this application.",
    "Register the certificate of private-key with the application, and set certificate to it.",
)
PRIVATE_KEY_UNUSABLE = Words(
    NO_PERMISSION,
    "private key cannot sign",
    "This machine can sign nothing with private-key.",
    "Do what is said of the key; without the package cryptography, use another machine.",
)
SCOPE_REFUSED = Words(
    NO_PERMISSION,
    "scope refused",
    "The identity provider gives this application no token for this scope.",
    "Set scope as the provider says, such as https://outlook.office365.com/.default.",
)
CONSENT_MISSING = Words(
    NO_PERMISSION,
    "consent is missing",
    "Nobody has allowed the application what its scope asks for.",
    "Have an administrator consent: to SMTP.SendAsApp, or to domain-wide delegation at Google.",
)
CLOCK_SKEW = Words(
    NO_PERMISSION,
    "clocks differ",
    "What private-key signed was too old or not yet valid for the identity provider.",
    "Set this machine's clock right, by NTP.",
)
REFRESH_TOKEN_VOID = Words(
    NO_PERMISSION,
    "refresh token is void",
    "The refresh token is used up, expired or revoked.",
    "Consent anew as the mailbox's owner, and set refresh-token; let no one else use the same.",
)
SUBJECT_UNKNOWN = Words(
    NO_PERMISSION,
    "mailbox unknown to the identity provider",
    "The identity provider knows no such account to act for, or has it disabled.",
    "Set subject to the mailbox, and client-id to the service account's address.",
)
TOKEN_POLICY = Words(
    NO_PERMISSION,
    "policy forbids the token",
    "A policy of the organization, such as conditional access, gives this machine no token.",
    "Have its administrator exempt the application or this machine's address from the policy.",
)
TOKEN_ENDPOINT_BUSY = Words(
    TEMPORARY,
    "token endpoint fails for now",
    "The identity provider has a failure of its own, or too many requests.",
    "Try again in some minutes; if it stays, ask the identity provider's operator.",
)
TOKEN_REFUSED = Words(
    NO_PERMISSION,
    "token refused",
    "The identity provider gives no token, for a reason of its own.",
    "Read its answer, and look it up at the provider.",
)
REFRESH_TOKEN_KEPT = Words(
    NO_PERMISSION,
    "refresh token is not for this",
    "A refresh token serves one holder, who may have been given a new one; nothing was sent.",
    "Send through the application that holds it, such as smtp-forwarder.",
)
REFRESH_TOKEN_ROTATED = Words(
    NO_PERMISSION,
    "refresh token was rotated",
    "The identity provider gave a new refresh token, and may take the one of the file no more.",
    "Consent anew for whoever is to use it: what the check was given is thrown away.",
    is_warning=True,
)
