"""
Sets of addresses.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from attrs import frozen

from netstream.model.address import unmapped

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def numeric(text: str) -> str | None:
    """
    @param text: An address, perhaps with a port: C{192.0.2.1},
        C{192.0.2.1:80}, C{2001:db8::1} or C{[2001:db8::1]:80}.
    @return: The address alone, in its one spelling and without a scope;
        L{None} if it is none.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(unmapped(text.partition("%")[0])))
    except ValueError:
        return None


@frozen
class Networks:
    """
    Addresses and networks, as one writes them.

    @ivar text: As it was written.
    @ivar unix: Whether peers of Unix sockets belong to it.
    """

    text: str = ""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False

    @classmethod
    def parse(cls, text: str) -> Networks:
        """
        @param text: Addresses, networks such as C{10.0.0.0/8}, C{unix}, or
            C{localhost} for this machine, by whatever way; between blanks or
            commas.
        @raise ValueError: Another word is among them.
        """
        found: list[IPv4Network | IPv6Network] = []
        words = text.replace(",", " ").split()
        for word in words:
            if word == "localhost":
                found += _LOOPBACK
            elif word != "unix":
                try:
                    found.append(ip_network(word, strict=False))
                except ValueError:
                    raise ValueError(
                        f"{word!r} is neither an address nor a network such as '10.0.0.0/8', nor 'localhost' or 'unix'"
                    ) from None
        return cls(text, tuple(found), not {"localhost", "unix"}.isdisjoint(words))

    def __contains__(self, address: str | None) -> bool:
        """
        @param address: Numeric; L{None} for the peer of a Unix socket.
        """
        if address is None:
            return self.unix
        text = numeric(address) if self.networks else None
        if text is None:
            return False
        number = ip_address(text)
        return any(number in network for network in self.networks if network.version == number.version)


NO_NETWORKS = Networks()
"""Without any address."""
