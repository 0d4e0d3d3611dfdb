"""The envelope as a client says it: MAIL and RCPT, with their parameters."""

import dataclasses

from forwarder import addresses


@dataclasses.dataclass
class Mail:
    """An envelope that a client opened."""

    sender: str
    eight_bit: bool = False
    utf8: bool = False
    size: int = 0
    recipients: list[str] = dataclasses.field(default_factory=list[str])


def path(keyword: str, arg: str) -> tuple[str, str] | None:
    """Read an address and its parameters behind a keyword; None if there are none."""
    if arg[: len(keyword)].upper() != keyword:
        return None
    return addresses.parse_path(arg[len(keyword) :].strip(" "))


def parameters(sender: str, text: str) -> Mail | str:
    """Read the parameters of MAIL; return the envelope, or the answer to one that is wrong."""
    mail = Mail(sender)
    for parameter in text.split():
        name, _, value = parameter.upper().partition("=")
        if name == "SIZE" and value.isascii() and value.isdecimal():
            mail.size = int(value)
        elif name == "BODY" and value in {"7BIT", "8BITMIME"}:
            mail.eight_bit = value == "8BITMIME"
        elif parameter.upper() == "SMTPUTF8":
            mail.utf8 = True
        elif name in {"SIZE", "BODY", "SMTPUTF8"}:
            return "501 5.5.4 A parameter of MAIL has a value that is not known here"
        elif name != "AUTH":
            return "555 5.5.4 A parameter of MAIL is not known here"
    return mail
