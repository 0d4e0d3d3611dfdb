"""The relay's envelope that stays open while a client still speaks.

So a recipient that the relay refuses is refused when the client names it. The connection is lent:
if the client is slow, others who wait may take it, and the client's message then starts anew.
"""

from forwarder import addresses, channel, upstream
from forwarder.answers import Answer


def mail_path(sender: str, *, eight_bit: bool, utf8: bool, size: int | None = None) -> str:
    """Return what stands behind `MAIL FROM:`, with the parameters of extensions."""
    parameters = [
        *([f"SIZE={size}"] if size is not None else []),
        *(["BODY=8BITMIME"] if eight_bit else []),
        *(["SMTPUTF8"] if utf8 else []),
    ]
    return " ".join([f"<{sender}>", *parameters])


class Passage:
    """One envelope on a connection of the pool, opened as the client names recipients."""

    def __init__(self, pool: upstream.Pool, wait: float, *, eight_bit: bool, utf8: bool) -> None:
        self.refused: dict[str, Answer] = {}
        """What the relay said of recipients, by their folded address."""
        self.pool = pool
        """Where the connection belongs."""
        self._wait = wait
        self._eight_bit = eight_bit
        self._utf8 = utf8
        self._sender: str | None = None
        self._accepted: list[str] = []
        self._channel: channel.Channel | None = None
        self._hopeless = False

    async def ask(self, sender: str, recipients: tuple[str, ...]) -> Answer | None:
        """Name the addresses of one of the client's recipients to the relay.

        Returns:
            The relay's answer if it refuses them all; None if it takes one, or cannot be asked.
        """
        new = [one for one in recipients if addresses.folded(one) not in self.refused]
        if not self._hopeless and self._sender in {None, sender} and new:
            self._sender = sender
            try:
                await self._name(new)
            except (channel.GoneError, channel.UnavailableError):
                self._hopeless = True
                self.release()
        keys = map(addresses.folded, recipients)
        refusals = [self.refused[key] for key in keys if key in self.refused]
        if not refusals or len(refusals) < len(recipients):
            return None
        return worst(refusals)

    def take(
        self, sender: str, recipients: list[str], *, eight_bit: bool, utf8: bool
    ) -> channel.Channel | None:
        """Return the connection if its envelope is the one that is to be sent, else give it back.

        Whoever gets it gives it back to `pool`. The recipients that the relay refused are not
        part of it.
        """
        same = (
            sender == self._sender
            and len(recipients) == len(self._accepted)
            and set(recipients) == set(self._accepted)
            and self._eight_bit >= eight_bit
            and self._utf8 == utf8
        )
        if not same or self._channel is None or not self._channel.is_open:
            self.release()
            return None
        taken, self._channel = self._channel, None
        self.pool.make_firm(taken)
        return taken

    def release(self) -> None:
        """Give the connection back, if there is one."""
        if self._channel is not None:
            given, self._channel = self._channel, None
            self._accepted = []
            self.pool.give_back(given)

    async def _name(self, recipients: list[str]) -> None:
        while True:
            if self._channel is None:
                self._accepted = []
                self._channel = await self.pool.lease(self._wait)
            used = self._channel
            self.pool.make_firm(used)
            fresh = not used.used
            try:
                await self._speak(used, recipients)
            except channel.GoneError:
                self.release()
                if fresh:
                    raise
                continue
            self.pool.make_revocable(used, self.release)
            return

    async def _speak(self, used: channel.Channel, recipients: list[str]) -> None:
        if self._accepted:
            answers = [await used.add(one, timeout=self._wait) for one in recipients]
        else:
            path = mail_path(self._sender or "", eight_bit=self._eight_bit, utf8=self._utf8)
            to_mail, answers = await used.begin(path, recipients, timeout=self._wait)
            answers = answers or [to_mail for _ in recipients]
        for recipient, answer in zip(recipients, answers, strict=True):
            if answer.done:
                self._accepted.append(recipient)
            else:
                self.refused[addresses.folded(recipient)] = answer


def worst(answers: list[Answer]) -> Answer:
    """Return the one answer for several refusals: what may be tried again may be tried again."""
    return next((answer for answer in answers if answer.transient), answers[0])
