"""A certificate of the model's authority, through the interface `tls-certificates`.

The library that speaks it takes longer to import than most hooks run, so a unit that is related to
no authority does without it.
"""

from __future__ import annotations

import dataclasses
import socket
from typing import TYPE_CHECKING

from unit_service import files

if TYPE_CHECKING:
    import pathlib

    import ops
    from charmlibs.interfaces import tls_certificates

ENDPOINT = "certificates"


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate for this unit.

    Attributes:
        pem: the key, the certificate and what lies between it and the authority's.
        authority: the authority's certificate (PEM).
    """

    pem: str = dataclasses.field(repr=False)
    authority: str

    def write(self, path: pathlib.Path) -> None:
        """Write the key and the certificates where they differ from what is there."""
        if files.read(path) != self.pem:
            files.write(path, self.pem)


class ModelCertificate:
    """The certificate that the model's authority gives this unit.

    Args:
        charm: the charm, which must have a relation on `ENDPOINT`.
        endpoint: the endpoint whose addresses the certificate is for.
    """

    def __init__(self, charm: ops.CharmBase, endpoint: str) -> None:
        from charmlibs.interfaces import tls_certificates  # noqa: PLC0415

        self._charm = charm
        self._endpoint = endpoint
        self._attributes = tls_certificates.CertificateRequestAttributes
        self._requirer = tls_certificates.TLSCertificatesRequiresV4(
            charm,
            ENDPOINT,
            # What it asks for costs a hook command, so it is found out when it is needed.
            lambda _: [self._request()],
            refresh_events=[charm.on.config_changed, charm.on.update_status],
        )

    @property
    def available(self) -> ops.BoundEvent:
        """The event of a new certificate."""
        return self._requirer.on.certificate_available

    def read(self) -> Certificate | None:
        """Return the certificate, if the authority has given one for the unit's addresses."""
        given, key = self._requirer.get_assigned_certificate(self._request())
        if given is None or key is None:
            return None
        chain = [given.certificate, *(one for one in given.chain if one != given.certificate)]
        pem = "\n".join(str(one).strip() for one in (key, *chain)) + "\n"
        return Certificate(pem, f"{str(given.ca).strip()}\n")

    def _request(self) -> tls_certificates.CertificateRequestAttributes:
        binding = self._charm.model.get_binding(self._endpoint)
        network = binding.network if binding else None
        addresses = {network.bind_address, network.ingress_address} if network else set[str]()
        return self._attributes(
            common_name=socket.gethostname()[:64],
            sans_dns={socket.getfqdn(), socket.gethostname()},
            sans_ip={"127.0.0.1", *(str(one) for one in addresses if one)},
        )


def of(charm: ops.CharmBase, endpoint: str) -> ModelCertificate | None:
    """Return the unit's certificate of the model's authority; None if it is related to none."""
    related = charm.model.relations[ENDPOINT]
    return ModelCertificate(charm, endpoint) if related else None
