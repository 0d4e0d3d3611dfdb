"""One attempt to hand one message to the relay."""

import dataclasses
from collections.abc import Mapping

from forwarder import addresses, channel, message, queue_file, upstream
from forwarder.answers import Answer
from forwarder.passage import Passage, mail_path

_EIGHT_BIT_NEEDED = Answer(
    554, "5.6.3 This message has 8-bit text, and the relay does not take 8BITMIME"
)
_UTF8_NEEDED = Answer(
    550, "5.6.7 This message has international addresses, and the relay does not take SMTPUTF8"
)


@dataclasses.dataclass
class Outcome:
    """What the relay said, by the number of the recipient.

    Where `trouble` is not empty, the recipients without an answer can be tried again; `tried` says
    whether the relay was told of the message, so that this counts as an attempt.
    """

    answers: dict[int, Answer] = dataclasses.field(default_factory=dict[int, Answer])
    trouble: str = ""
    tried: bool = False


@dataclasses.dataclass
class Parcel:
    """A message on its way, with its content in memory."""

    record: queue_file.Record
    content: bytes
    sent: bool = False
    """Whether the relay has all of it, so that only its answer is awaited."""


def lacking(
    extensions: Mapping[str, str] | None, *, eight_bit: bool, utf8: bool, size: int
) -> Answer | None:
    """Return the refusal of a message that needs what the relay does not offer.

    Args:
        extensions: what the relay's EHLO offered; None if that is not known.
        eight_bit: whether the message needs 8BITMIME (RFC 6152).
        utf8: whether it needs SMTPUTF8 (RFC 6531).
        size: its size in bytes (RFC 1870).
    """
    if extensions is None:
        return None
    if eight_bit and "8bitmime" not in extensions:
        return _EIGHT_BIT_NEEDED
    if utf8 and "smtputf8" not in extensions:
        return _UTF8_NEEDED
    limit = extensions.get("size", "").strip()
    if limit.isdecimal() and 0 < int(limit) < size:
        return Answer(552, f"5.3.4 The relay takes messages of up to {limit} bytes")
    return None


async def transmit(pool: upstream.Pool, parcel: Parcel, passage: Passage | None = None) -> Outcome:
    """Send a message to the recipients that wait for it.

    Args:
        pool: the relay's connections.
        parcel: the message.
        passage: the envelope that was opened while the client named its recipients.
    """
    record = parcel.record
    refused = passage.refused if passage else {}
    outcome = Outcome()
    numbers: list[int] = []
    for number in record.having(queue_file.Mark.WAITING):
        known = refused.get(addresses.folded(record.recipients[number].address))
        if known is not None:
            outcome.answers[number] = known
        else:
            numbers.append(number)
    if not numbers:
        return outcome
    try:
        await _send(pool, parcel, numbers, passage, outcome)
    except channel.UnavailableError as error:
        outcome.trouble = str(error)
    except channel.UnknownOutcomeError as error:
        outcome.trouble = f"the relay had the message and did not answer: {error}"
        outcome.tried = True
    return outcome


async def _send(
    pool: upstream.Pool,
    parcel: Parcel,
    numbers: list[int],
    passage: Passage | None,
    outcome: Outcome,
) -> None:
    """Send it over the client's connection, or a kept one, or a new one: the first that works."""
    record = parcel.record
    eight_bit, recipients = (
        message.is_eight_bit(parcel.content),
        [record.recipients[number].address for number in numbers],
    )
    used = passage and passage.take(
        record.sender, recipients, eight_bit=eight_bit, utf8=record.utf8
    )
    if passage and used:
        try:
            await _finish(used, parcel, numbers, outcome)
        except channel.GoneError:
            pass
        else:
            return
        finally:
            # Its pool may be another than ours, if the settings changed since it was opened.
            passage.pool.give_back(used)
    while True:
        used = await pool.lease()
        fresh = not used.used
        try:
            await _begin_and_finish(used, parcel, numbers, outcome)
        except channel.GoneError as error:
            if fresh:
                # It may be the message that the relay does not bear: tried at once, it would be
                # tried without end.
                outcome.tried = True
                raise channel.UnavailableError(str(error)) from None
        else:
            return
        finally:
            pool.give_back(used)


async def _begin_and_finish(
    used: channel.Channel, parcel: Parcel, numbers: list[int], outcome: Outcome
) -> None:
    record = parcel.record
    eight_bit = message.is_eight_bit(parcel.content)
    refusal = lacking(
        used.extensions, eight_bit=eight_bit, utf8=record.utf8, size=len(parcel.content)
    )
    if refusal is not None:
        outcome.answers.update(dict.fromkeys(numbers, refusal))
        return
    path = mail_path(
        record.sender,
        eight_bit=eight_bit,
        utf8=record.utf8,
        size=len(parcel.content) if "size" in used.extensions else None,
    )
    recipients = [record.recipients[number].address for number in numbers]
    to_mail, answers = await used.begin(path, recipients)
    answers = answers or [to_mail] * len(numbers)
    taken = [number for number, answer in zip(numbers, answers, strict=True) if answer.done]
    if taken:
        await _finish(used, parcel, taken, outcome)
    outcome.answers.update(
        {n: answer for n, answer in zip(numbers, answers, strict=True) if not answer.done}
    )


async def _finish(
    used: channel.Channel, parcel: Parcel, numbers: list[int], outcome: Outcome
) -> None:
    parcel.sent = True
    try:
        answer = await used.send(parcel.content)
    except channel.GoneError:
        parcel.sent = False
        raise
    outcome.answers.update(dict.fromkeys(numbers, answer))
