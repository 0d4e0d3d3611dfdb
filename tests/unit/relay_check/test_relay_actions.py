"""What the actions take, and how much they answer."""

from __future__ import annotations

from typing import Any

import checking
import hypothesis
import pytest
from hypothesis import strategies as st
from scripted_relay import Behaviour, ScriptedRelay

import relay
import relay_actions
from charms.smtp_integrator.v0 import smtp

ARGUMENT_LIMIT = 128 * 1024
PLACE: dict[str, Any] = {"model": "testing", "unit": "mail/0", "subject": "A test"}
SIGNS = ["@", "[", "]", '"', "<", ">", "(", ":", ";", ".", " "]
PIECES = st.sampled_from(
    ["a", "é", "bücher", *SIGNS, "=?", "?=", "utf-8?b?", "utf-8?q?=41", "!!!"]
)
ADDRESSES = st.one_of(st.text(), st.lists(PIECES, max_size=8).map("".join))


def configured(port: int, host: str = "127.0.0.1", **options: Any) -> relay.Relay:
    config = {"host": host, "port": port, **options}
    return relay.read(
        config,
        application="mail",
        parse_recipients=smtp.parse_recipients,
        read_secret=lambda _: {},
    )


@hypothesis.settings(max_examples=1000)
@hypothesis.given(sender=ADDRESSES, recipient=ADDRESSES)
@hypothesis.example(sender="a@b.com", recipient="a@")
@hypothesis.example(sender="a@[", recipient='"')
@hypothesis.example(sender="a@b..c", recipient="a@b.com")
@hypothesis.example(sender="noreply@bücher.example", recipient="a@b.com")
@hypothesis.example(sender="=?utf-8?b?!!!?=@b.com", recipient="a@b.com")
@hypothesis.example(sender="a@b.com", recipient="=?utf-8?b?!!!?=@b.com")
@hypothesis.example(sender="a@=?utf-8?b?!!!?=", recipient="a@b.com")
def test_no_address_is_more_than_a_value_error(
    nothing_listens: int, sender: str, recipient: str
) -> None:
    try:
        failure = relay_actions.send_test_email(
            configured(nothing_listens), sender=sender, recipient=recipient, **PLACE
        ).failure
    except ValueError as e:
        failure = str(e)
    assert failure.startswith(("connection refused", "sender: ", "recipient: ", "recipients: "))


@pytest.fixture(scope="module")
def nothing_listens() -> int:
    return checking.free_port()


@pytest.mark.parametrize("parameter", ["sender", "recipient"])
@pytest.mark.parametrize(
    "address",
    [
        "=?utf-8?b?YUBiLmNvbQ==?=@c.com",
        "=?utf-8?q?=41?=@b.com",
        "a.=?utf-8?q?=41?=@b.com",
        "a@=?utf-8?q?=41?=.com",
    ],
)
def test_encoded_word_is_no_address(nothing_listens: int, parameter: str, address: str) -> None:
    addresses = {"sender": "a@b.com", "recipient": "a@b.com"} | {parameter: address}

    with pytest.raises(ValueError, match=rf"^{parameter}: must be an address such as"):
        relay_actions.send_test_email(configured(nothing_listens), **addresses, **PLACE)


def test_encoded_word_in_the_option_is_no_address_of_a_message(nothing_listens: int) -> None:
    target = configured(nothing_listens, smtp_sender="=?utf-8?b?!!!?=@example.com")

    with pytest.raises(ValueError, match=r"^sender: must be an address such as"):
        relay_actions.send_test_email(target, recipient="a@b.com", **PLACE)


@pytest.mark.parametrize("address", ["a=b?c@example.com", "what?@example.com", "a+b=c@b.com"])
def test_signs_of_an_encoded_word_alone_are_an_address(address: str) -> None:
    with ScriptedRelay() as server:
        relay_actions.send_test_email(
            configured(server.port), sender=address, recipient=address, **PLACE
        )
    [conversation] = server.conversations
    lines = conversation.message.decode().split("\r\n")
    assert {f"From: {address}", f"To: {address}"} <= set(lines)
    assert f"RCPT TO:<{address}>" in conversation.commands


def test_root_at_this_machine_is_an_address() -> None:
    with ScriptedRelay() as server:
        answer = relay_actions.send_test_email(
            configured(server.port), sender="root@localhost", recipient="ops@[127.0.0.1]", **PLACE
        )
    assert answer.failure == ""
    assert answer.results["sent"] == "true"


def test_letters_beyond_ascii_are_spelled_for_each_header() -> None:
    with ScriptedRelay(Behaviour(capabilities=("SMTPUTF8",))) as server:
        answer = relay_actions.send_test_email(
            configured(server.port), sender="é@bücher.example", recipient="a@example.com", **PLACE
        )
    assert answer.failure == ""
    [conversation] = server.conversations
    lines = conversation.message.decode().split("\r\n")
    assert "From: é@bücher.example" in lines
    [message_id] = [line for line in lines if line.startswith("Message-ID:")]
    assert message_id.endswith("@xn--bcher-kva.example>")


def test_results_fit_into_the_command_that_sets_them() -> None:
    recipients = [f"ops{number}@example.com" for number in range(700)]
    long_answer = f"550 5.1.1 {'no such user here ' * 10}"
    with ScriptedRelay(Behaviour({"RCPT": long_answer})) as server:
        target = configured(server.port)
        checked = relay_actions.check_relay(target, recipient=",".join(recipients))
        sent = relay_actions.send_test_email(
            target, sender="a@example.com", recipient=",".join(recipients), **PLACE
        )
    for results in (checked.results, sent.results):
        assert len(str(results)) < ARGUMENT_LIMIT
    assert checked.results["stages"]["envelope"]["left-out"] == "601 more"


def test_the_relays_address_is_in_brackets_where_it_has_colons() -> None:
    answer = relay_actions.check_relay(configured(checking.free_port(), "::1"))
    assert answer.results["relay"].startswith("[::1]:")
