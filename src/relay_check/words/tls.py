"""The words of what goes wrong with TLS and certificates."""

from __future__ import annotations

from relay_check.words import (
    LATER,
    NO_PERMISSION,
    PORTS,
    PROTOCOL_ERROR,
    TEMPORARY,
    UNAVAILABLE,
    Words,
)

STARTTLS_NOT_OFFERED = Words(
    PROTOCOL_ERROR,
    "STARTTLS not offered",
    "The relay does not offer STARTTLS on port {port}; nothing was sent in the clear.",
    "Use port 587, or 465 with transport_security=tls; none only on a network of your own.",
)
STARTTLS_TEMPORARY = Words(
    TEMPORARY,
    "STARTTLS not available",
    "The relay offers STARTTLS but cannot do it now; nothing was sent in the clear.",
    LATER,
)
STARTTLS_REFUSED = Words(
    PROTOCOL_ERROR,
    "STARTTLS refused",
    "The relay offers STARTTLS but refuses it; nothing was sent in the clear.",
    "Ask the relay's operator, or use port 465 with transport_security=tls.",
)
TLS_VERSION = Words(
    UNAVAILABLE,
    "no common TLS version",
    "The relay offers no version of TLS that clients accept: TLS 1.2 or newer.",
    "Ask the relay's operator for TLS 1.2 or newer, or use another relay.",
)
TLS_TOO_OLD = Words(
    PROTOCOL_ERROR,
    "this machine's TLS is too old",
    "The relay wants a newer version of TLS than this machine speaks.",
    "Update Python and OpenSSL of this machine, and allow TLS 1.2 and 1.3.",
)
TLS_ALERT = Words(
    PROTOCOL_ERROR,
    "relay ends TLS",
    "Port and transport_security are right; the relay ends TLS, and says: {alert}.",
    "Ask the relay's operator to mend its certificate or its settings of TLS.",
)
CLIENT_CERTIFICATE = Words(
    NO_PERMISSION,
    "client certificate wanted",
    "The relay lets clients in by a certificate of their own, and there is none to give.",
    "Use a port or a relay that takes a password, or ask its operator to want no certificate.",
)
TLS_FAILED = Words(
    PROTOCOL_ERROR,
    "TLS handshake failed",
    "The relay and this machine could not agree on TLS.",
    f"Check port and transport_security: {PORTS}; then ask the relay's operator.",
)
CA_CHAIN_UNUSABLE = Words(
    UNAVAILABLE,
    "tls_ca_chain unusable",
    "tls_ca_chain is not PEM of certificates.",
    "Set tls_ca_chain from a file with the CA's certificate in PEM.",
)
CA_CHAIN_INCOMPLETE = Words(
    UNAVAILABLE,
    "tls_ca_chain incomplete",
    "tls_ca_chain holds a CA of the relay's certificate, but not the one above that CA.",
    "Add the CA's own issuers to tls_ca_chain, up to the one that signed itself.",
)
CERTIFICATE_NAME = Words(
    UNAVAILABLE,
    "certificate has another name",
    "The relay's certificate is not for {host} but for {names}.",
    "Set host to a name of the certificate, or have a certificate made for {host}.",
)
CERTIFICATE_SELF_SIGNED = Words(
    UNAVAILABLE,
    "certificate is self-signed",
    "The relay's certificate is signed by itself, and not trusted here.",
    "If the relay is yours, set tls_ca_chain to that certificate.",
)
CERTIFICATE_UNKNOWN_CA = Words(
    UNAVAILABLE,
    "certificate's CA unknown",
    "{trust} does not trust {issuer}, or the relay leaves out a CA in between.",
    "Set tls_ca_chain for a private CA; with a public one, the relay must send its chain.",
)
CERTIFICATE_EXPIRED = Words(
    UNAVAILABLE,
    "certificate expired",
    "A certificate has expired: the relay's own is from {not_before} to {not_after}.",
    "Have the relay's certificate, or else its CA's, renewed; check this machine's clock.",
)
CERTIFICATE_NOT_YET_VALID = Words(
    UNAVAILABLE,
    "certificate not yet valid",
    "A certificate is not valid yet: the relay's own is from {not_before} to {not_after}.",
    "Check this machine's clock and the relay's, or wait until the certificate is valid.",
)
CERTIFICATE_REFUSED = Words(
    UNAVAILABLE,
    "certificate refused",
    "The relay's certificate does not stand up to verification.",
    "Have a certificate made that does; for a private CA, check tls_ca_chain.",
)
CERTIFICATE_NOT_STRICT = Words(
    UNAVAILABLE,
    "certificate fails strict verification",
    "Newer clients, such as Python 3.13, verify strictly and will refuse this certificate.",
    "Have the certificate and its CA made anew by RFC 5280, with both key identifiers.",
    is_warning=True,
)
CERTIFICATE_NO_NAMES = Words(
    UNAVAILABLE,
    "certificate has no alternative names",
    "The certificate names the host in its CN alone: Go and others refuse it for that.",
    "Have a certificate made with a subject alternative name for {host}.",
    is_warning=True,
)
CERTIFICATE_EXPIRES_SOON = Words(
    UNAVAILABLE,
    "certificate expires soon",
    "The relay's certificate ends in {days} days, on {not_after}.",
    "See that the relay's certificate is renewed in time.",
    is_warning=True,
)
CERTIFICATE_UNVERIFIED = Words(
    UNAVAILABLE,
    "certificate not verified",
    "skip_ssl_verify is on: anyone between can pose as the relay and read the password.",
    "Set skip_ssl_verify=false, and tls_ca_chain for a private CA.",
    is_warning=True,
)
TLS_REQUIRED = Words(
    NO_PERMISSION,
    "relay requires TLS",
    "The relay goes no further without TLS.",
    "Set transport_security=starttls, or transport_security=tls with port 465.",
)
