"""The CA certificates that the model offers, on the endpoint `receive-ca-cert`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import ops

if TYPE_CHECKING:
    import authority_requirer

ENDPOINT = "receive-ca-cert"


class ModelAuthorities(ops.Object):
    """Reads what related applications offer, in either version of `certificate_transfer`.

    Whether there is a relation is remembered from hook to hook: to ask Juju would cost each hook a
    command, and few models have one. Juju is asked where nothing is remembered: a pod that moves
    loses its memory, and no relation is created anew. Nothing is imported where there is none.

    Args:
        charm: The charm that has the endpoint.
    """

    _stored = ops.StoredState()

    def __init__(self, charm: ops.CharmBase) -> None:
        super().__init__(charm, ENDPOINT)
        self._charm = charm
        self._stored.set_default(is_related=None)
        self._requirer: authority_requirer.AuthorityRequirer | None = None
        framework, on = charm.framework, charm.on[ENDPOINT]
        framework.observe(on.relation_created, self._on_relation_created)
        framework.observe(on.relation_broken, self._on_relation_broken)
        # Juju names the endpoint of the event. The library tells the provider its version at the
        # first one.
        if self._is_related or os.environ.get("JUJU_RELATION") == ENDPOINT:
            self._require()

    def certificates(self) -> list[str]:
        """Return the certificates that are offered, each as PEM, sorted.

        A relation whose data cannot be read has an empty one, and leaves the others theirs.
        """
        if not self._is_related:
            return []
        relations = [one for one in self.model.relations[ENDPOINT] if one.active]
        return sorted(
            {text for one in relations for text in self._require().get_all_certificates(one.id)}
        )

    @property
    def _is_related(self) -> bool:
        if self._stored.is_related is None:
            self._look()
        return bool(self._stored.is_related)

    def _look(self) -> None:
        self._stored.is_related = any(one.active for one in self.model.relations[ENDPOINT])

    def _require(self) -> authority_requirer.AuthorityRequirer:
        if self._requirer is None:
            import authority_requirer  # noqa: PLC0415 - 100 ms

            self._requirer = authority_requirer.AuthorityRequirer(self._charm, ENDPOINT)
        return self._requirer

    def _on_relation_created(self, _: ops.RelationCreatedEvent) -> None:
        self._stored.is_related = True

    def _on_relation_broken(self, _: ops.RelationBrokenEvent) -> None:
        self._look()
