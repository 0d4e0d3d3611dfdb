"""The words of what goes wrong on the way to the relay, and at any stage."""

from __future__ import annotations

from relay_check.words import (
    LATER,
    NO_HOST,
    NO_PERMISSION,
    PORTS,
    PROTOCOL_ERROR,
    TEMPORARY,
    UNAVAILABLE,
    Words,
)

HOST_UNKNOWN = Words(
    NO_HOST,
    "host does not resolve",
    "The name servers know no address of {host}.",
    "Look for a typing error in host; a private name needs name servers that know it.",
)
DNS_TEMPORARY = Words(
    TEMPORARY,
    "name servers do not answer",
    "The name servers of this machine gave no answer for {host}; the name may be right.",
    "Try again in some minutes; if it stays, mend the name servers of this machine.",
)
CONNECTION_REFUSED = Words(
    UNAVAILABLE,
    "connection refused",
    "Nothing listens on port {port} of {host}.",
    f"Set the right host and port: {PORTS}.",
)
CONNECTION_FILTERED = Words(
    UNAVAILABLE,
    "no answer to the connection",
    "{host} does not answer on port {port}: a firewall drops the packets, or it is down.",
    "Many clouds block port 25: use port 587 or 465, or let the firewalls between pass it.",
)
UNREACHABLE = Words(
    UNAVAILABLE,
    "host unreachable",
    "This machine finds no way to {host}.",
    "Mend the routes and firewalls of this machine, or the address that host resolves to.",
)
ADDRESS_FAILS = Words(
    UNAVAILABLE,
    "not every address works",
    "{works} works, {fails} does not; clients that try the latter first are slow or fail.",
    "Mend it, or take it out of the DNS; it is harmless if this machine lacks IPv6 or IPv4.",
    is_warning=True,
)
NOT_SMTP = Words(
    PROTOCOL_ERROR,
    "not a mail relay",
    "What answers on port {port} of {host} does not speak SMTP.",
    f"Set the right host and port: {PORTS}.",
)
SILENT = Words(
    UNAVAILABLE,
    "no banner",
    "{host} takes connections on port {port} but says nothing, in the clear or over TLS.",
    "Check host and port, and what stands between; a slow relay needs a longer timeout.",
)
CLEAR_ON_TLS_PORT = Words(
    PROTOCOL_ERROR,
    "port wants TLS",
    "Port {port} speaks TLS from the first byte, but transport_security={security}.",
    "Set transport_security=tls.",
)
TLS_ON_CLEAR_PORT = Words(
    PROTOCOL_ERROR,
    "port does not speak TLS",
    "Port {port} greets in the clear, but transport_security=tls.",
    "Set transport_security=starttls, or use the relay's TLS port, mostly 465.",
)
BLOCKED = Words(
    UNAVAILABLE,
    "relay blocks this machine",
    "The relay refuses connections from this machine's address{listed}.",
    "Ask the relay's operator to allow the address, and look it up in the block lists.",
)
NO_SERVICE = Words(
    UNAVAILABLE,
    "no mail service here",
    "The relay says that it takes no mail on port {port} of {host}.",
    f"Set the right host and port: {PORTS}; else ask the relay's operator.",
)
NO_REVERSE_DNS = Words(
    UNAVAILABLE,
    "no reverse DNS",
    "The relay finds no name for this machine's address, or one that leads elsewhere.",
    "Have the address's owner set a PTR record to a name that resolves to the same address.",
)
RESOLVER_REFUSED = Words(
    UNAVAILABLE,
    "relay's resolver is refused",
    "A block list refuses the relay's own name servers; this machine is not listed.",
    "Ask the relay's operator to query block lists by a resolver of its own.",
)
ADDRESS_NOT_AUTHORIZED = Words(
    NO_PERMISSION,
    "address not authorized",
    "The relay knows its clients by address or domain, and does not know this one.",
    "Register this machine's public address and the sender's domain with the relay's operator.",
)
TOO_MANY_CONNECTIONS = Words(
    TEMPORARY,
    "too many connections",
    "The relay has too many connections open, of this machine or account or of all.",
    "Have fewer applications send at once, or ask the relay's operator for a higher limit.",
)
RATE_LIMITED = Words(
    TEMPORARY,
    "rate limited",
    "The relay slows this machine or account down: too much mail, or complaints about it.",
    "Wait, and send less at once; if it stays, ask the relay's operator.",
)
BUSY = Words(
    TEMPORARY,
    "relay is busy",
    "The relay takes no more connections now: there are too many, or it is going down.",
    LATER,
)
RELAY_BROKEN = Words(
    TEMPORARY,
    "relay is broken",
    "Something within the relay fails: a lookup, a filter, a policy service, a file.",
    "Nothing to mend here: ask the relay's operator, whose log says what fails.",
)
RELAY_FULL = Words(
    TEMPORARY,
    "relay's disk is full",
    "The relay has no room to store mail.",
    "Nothing to mend here: ask the relay's operator to free disk space.",
)
EHLO_REFUSED = Words(
    PROTOCOL_ERROR,
    "EHLO refused",
    "The relay refuses the name that this machine gives itself, {ehlo_name}.",
    "Give this machine a name that the DNS knows, or ask the relay's operator.",
)
LMTP_PORT = Words(
    PROTOCOL_ERROR,
    "no SMTP but LMTP",
    "Port {port} knows neither EHLO nor HELO: most likely it is LMTP's, for mailboxes.",
    f"Set the right host and port: {PORTS}.",
)
PROXY_PROTOCOL = Words(
    PROTOCOL_ERROR,
    "PROXY protocol expected",
    "Port {port} wants the PROXY protocol, which a load balancer in front of it speaks.",
    "Set host and port to the load balancer's, or have the relay take clients without it.",
)
PROTOCOL = Words(
    PROTOCOL_ERROR,
    "answer is not SMTP's",
    "The relay's answer at the stage {stage} is not what SMTP knows.",
    "Look for a proxy or firewall that changes SMTP; then ask the relay's operator.",
)
DISCONNECTED = Words(
    PROTOCOL_ERROR,
    "connection dropped",
    "The relay closed the connection at the stage {stage}.",
    "Look for a firewall between; the relay's log says why it closed the connection.",
)
TIMEOUT = Words(
    TEMPORARY,
    "no answer in time",
    "The relay did not finish the stage {stage} within {limit} s.",
    "Try again with a longer timeout; if it stays, ask the relay's operator.",
)
