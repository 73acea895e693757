"""
An engine that is in another process.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import RamDB
from netstream.db.interfaces import Durability, Health, IMetricsDB
from netstream.db.messages import NOTHING, Message, Unavailable
from netstream.db.remote import RemoteDB, Traits, health_fields, health_of
from netstream.db.serving import Serving
from netstream.processes.frames import Frame, FrameReader, Kind
from netstream.testing import metrics_db


def over_the_wire(message: Message) -> Message:
    """
    @return: The message as it arrives.
    """
    data = b"".join(Frame(Kind.ASK, 1, "verb", message).pieces())
    (frame,) = FrameReader().receive(data)
    return frame.message


class RemoteDBTests(metrics_db.MetricsDBTests):
    """
    L{RemoteDB} keeps the contract, with an engine behind it and everything
    said as bytes.
    """

    def make_db(self) -> IMetricsDB:
        engine = RamDB(3600)
        serving = Serving([engine])

        def ask(verb: str, message: Message = NOTHING) -> Deferred[Message]:
            try:
                return serving.verbs[verb](over_the_wire(message)).addCallback(over_the_wire)
            except Exception:
                return fail()

        return RemoteDB(ask, 0, Traits.of(engine))


class TraitsTests(SynchronousTestCase):
    """
    What is known of an engine without asking.
    """

    def test_told(self) -> None:
        """
        Its attributes and its state arrive as they were.
        """
        traits = Traits("dbengine", Durability.PROCESS, 0.0, (1, 60), True)
        self.assertEqual(Traits.read(over_the_wire(Message(traits.fields())).fields), traits)
        health = Health("the disk is full", 1, 2, {"tier 0": 3})
        self.assertEqual(health_of(over_the_wire(Message(health_fields(health))).fields), health)

    def test_nobody_there(self) -> None:
        """
        Who asks while the other process does not run is told so.
        """

        def ask(verb: str, message: Message = NOTHING) -> Deferred[Message]:
            return fail(Unavailable("worker 1 does not run just now"))

        db = RemoteDB(ask, 0, Traits.of(RamDB(3600)))
        self.failureResultOf(db.bounds(metrics_db.NODE), Unavailable)
