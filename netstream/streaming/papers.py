"""
What a child presents besides its key: the certificate of its TLS connection.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from netstream.config.settings import Refused, ServerTLS
from netstream.tls.certificates import described, identities, machine_guids, printable
from netstream.tls.server import expires, presented


@frozen
class Papers:
    """
    What TLS says of a child.

    @ivar names: By what its certificate may be called; empty if it presented
        none.
    @ivar guids: The machine GUIDs that the certificate is bound to; empty if
        to none.
    @ivar description: The certificate, for a log.
    @ivar expires: When the certificate does, UTC seconds; 0 if there is none.
    @ivar local: Whether it comes by a Unix socket, where there is no TLS.
    """

    names: Sequence[str] = ()
    guids: frozenset[str] = frozenset()
    description: str = ""
    expires: float = 0.0
    local: bool = False

    def check(self, tls: ServerTLS | None, guid: str) -> None:
        """
        Hold it against what C{[web]} demands of children.

        @param guid: The machine GUID that the child says is its own.
        @raise Refused: It has no certificate and needs one, or that of another
            node.
        """
        if not self.names:
            if tls is not None and tls.client_needed != "no" and not self.local:
                raise Refused(
                    f"it presented no certificate, and [web] ssl require client certificate = {tls.client_needed} "
                    "demands one: the child needs ':SSL' at the end of its destination, and 'ssl certificate' and 'ssl "
                    "key' in its [stream]"
                )
            return
        if self.guids and guid not in self.guids:
            raise Refused(
                f"its certificate is bound to machine GUID {', '.join(sorted(self.guids))} [{self.description}]; "
                f"'netstream gencert --client {guid}' makes the one that it needs"
            )


def papers_of(transport: object, *, unix: bool = False) -> Papers:
    """
    @param transport: Of a child's connection.
    @param unix: Whether it is a Unix socket.
    """
    certificate = presented(transport)
    if certificate is None:
        return Papers(local=unix)
    names = tuple(printable(name) for name in identities(certificate))
    return Papers(names, machine_guids(certificate), described(certificate), expires(transport))
