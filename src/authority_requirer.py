"""The requirer's side of `certificate_transfer`, whatever a provider wrote."""

from __future__ import annotations

from charmlibs.interfaces import certificate_transfer


class AuthorityRequirer(certificate_transfer.CertificateTransferRequires):
    """Takes a databag that cannot even be parsed for one malformed certificate.

    The package takes what is no JSON, or not of its schema, for no certificates; JSON that is too
    deep, or has too long a number, it lets break the hook. Its own handlers read through here too.
    """

    def get_all_certificates(self, relation_id: int | None = None) -> set[str]:
        """Return the certificates that are offered, each as PEM.

        Args:
            relation_id: Whose; by default all relations', and one that is malformed spoils all.
        """
        try:
            return super().get_all_certificates(relation_id)
        except (RecursionError, ValueError):
            return {""}
