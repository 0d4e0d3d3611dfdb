"""Aliases that name aliases, followed to the addresses that get the mail."""

from collections.abc import Iterable, Mapping

from forwarder.addresses import folded

# How often one is followed again under another, where aliases lead back to each other: each way
# around may end at another address. Without such circles, each is followed once.
_MOST_REPEATS = 10_000
_DEEPEST = 100


class TooManyWaysError(ValueError):
    """Aliases lead to each other in more ways, or over more steps, than can be followed."""


class Aliases:
    """Addresses, and those that get their mail in their place."""

    def __init__(self, aliases: Mapping[str, tuple[str, ...]]) -> None:
        self._targets = {folded(address): to for address, to in aliases.items()}

    def __contains__(self, address: str) -> bool:
        return folded(address) in self._targets

    def expanded(self, addresses: Iterable[str]) -> list[str]:
        """Return those that addresses stand for, each once.

        An alias that leads back to itself is delivered under its own name.

        Raises:
            TooManyWaysError: if that takes too long to find out.
        """
        walk = _Walk(self._targets)
        for address in addresses:
            walk.follow(address, frozenset())
        return list(walk.found.values())

    def can_follow(self, addresses: Iterable[str]) -> bool:
        """Return whether `expanded` can tell what addresses stand for."""
        try:
            self.expanded(addresses)
        except TooManyWaysError:
            return False
        return True


class _Walk:
    """What was found so far."""

    def __init__(self, targets: Mapping[str, tuple[str, ...]]) -> None:
        self.found: dict[str, str] = {}
        self._targets = targets
        self._followed: set[str] = set()
        self._done: set[str] = set()
        self._repeats = 0

    def follow(self, address: str, above: frozenset[str]) -> frozenset[str]:
        """Find what an address stands for; return which of those above it leads back to."""
        key = folded(address)
        if key in self._done:
            return frozenset()
        if key not in self._targets or key in above:
            self.found.setdefault(key, address)
            return above & {key}
        self._count(key, above)
        back: frozenset[str] = frozenset()
        for target in self._targets[key]:
            if folded(target) == key:
                self.found.setdefault(key, target)
            else:
                back |= self.follow(target, above | {key})
        if not back:
            # In no circle with others, so it leads to the same wherever it stands.
            self._done.add(key)
        return back - {key}

    def _count(self, key: str, above: frozenset[str]) -> None:
        self._repeats += key in self._followed
        self._followed.add(key)
        if self._repeats > _MOST_REPEATS or len(above) > _DEEPEST:
            raise TooManyWaysError("aliases lead to each other in too many ways")
