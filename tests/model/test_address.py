"""
Addresses as access lists see them.
"""

from twisted.trial.unittest import SynchronousTestCase

from netstream.model.address import peer_name, private

NAMES = [
    ("127.0.0.1", "localhost"),
    ("::1", "localhost"),
    ("unix", "localhost"),
    ("unix:/run/x.sock", "localhost"),
    ("localhost", "localhost"),
    ("::ffff:127.0.0.1", "localhost"),
    ("::ffff:10.1.2.3", "10.1.2.3"),
    ("::FFFF:10.1.2.3", "10.1.2.3"),
    ("127.0.0.2", "127.0.0.2"),
    ("10.1.2.3", "10.1.2.3"),
    ("fe80::1%eth0", "fe80::1%eth0"),
    ("", "UNKNOWN"),
]
NEAR = [
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "unix",
    "localhost",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.1.1",
    "fd12::1",
    "fc00::1",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:10.0.0.1",
]
FAR = [
    "",
    "UNKNOWN",
    "8.8.8.8",
    "172.32.0.1",
    "172.15.255.255",
    "192.169.0.1",
    "100.64.0.1",
    "192.0.2.1",
    "0.0.0.0",
    "::",
    "2001:db8::1",
    "::ffff:8.8.8.8",
    "parent.example",
    "10.0.0",
]


class AddressTests(SynchronousTestCase):
    """
    What an access list is compared with, and who is near.
    """

    def test_names(self) -> None:
        """
        This machine is C{localhost} however it connects, and IPv4 is written
        the same on every socket; what was named stays so.
        """
        for address, name in NAMES:
            self.assertEqual(peer_name(address), name, address)
            self.assertEqual(peer_name(name), name, name)

    def test_private(self) -> None:
        """
        Loopback, private and link-local addresses are near; nothing else is.
        """
        for address in NEAR:
            self.assertTrue(private(address), address)
            self.assertTrue(private(peer_name(address)), address)
        for address in FAR:
            self.assertFalse(private(address), address)
