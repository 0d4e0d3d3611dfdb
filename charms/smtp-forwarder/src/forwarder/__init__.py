"""A mail relay for what can do no more than plain SMTP: `python3 -m forwarder --help`.

It takes mail on a port, rewrites what rules say, and passes it on through another relay; what that
does not take now waits on disk. It knows nothing of Juju. `rules` and `message` are functions on
data, `reception` is the server, `upstream`, `opener` and `channel` are the connections to the
relay, `oauth` is the token that it takes, `queue`, `queue_file` and `storage` are what stands on
disk, `delivery`, `settlement` and `schedule` tie these together, `bounce` and `digest` tell who
must know, `configuration` reads what an operator writes, and `service` runs it all.

A program with rules of its own:

    import forwarder

    class Shorten(forwarder.Rules):
        def translate_recipient(self, recipient):
            user, _, domain = recipient.partition("@")
            if not user:
                raise forwarder.InvalidRecipient("nobody there")
            return [f"{user[0]}@{domain}"]

    forwarder.serve(["127.0.0.1:2525"], "mail.example.com:25", "/var/spool/shorten", Shorten())
"""

from typing import TYPE_CHECKING, Any

from forwarder.rules import InvalidRecipient, Rules

if TYPE_CHECKING:
    from forwarder.program import serve

__all__ = ["InvalidRecipient", "Rules", "serve"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    """Import what serves when it is first asked for: `sendmail` does without it at each call."""
    if name != "serve":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from forwarder.program import serve  # noqa: PLC0415

    return serve
