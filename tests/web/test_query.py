"""
What terms mean in a host is found out once.
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from netstream.hub.hub import Host
from netstream.turns import Turns
from netstream.web.answer import Refusal
from netstream.web.query import Choice, Choices
from netstream.web.questions import Terms
from netstream.web.target import Parameters
from tests.web.stage import LOAD, Stage


def _terms(**said: str) -> Terms:
    return Terms.parse(Parameters(said))


def _fired(choices: Choices, host: Host, terms: Terms) -> Deferred[Choice]:
    return Deferred.fromCoroutine(choices.of(host, terms))


class ChoicesTests(SynchronousTestCase):
    """
    L{Choices}.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.stage.usual()
        self.host = self.stage.local

    def test_known(self) -> None:
        """
        A choice is the same until its host defines something anew.
        """
        choices, terms = Choices(Turns(self.stage.clock)), _terms(chart="system.load")
        self.assertIsNone(choices.known(self.host, terms))
        choice = self.successResultOf(_fired(choices, self.host, terms))
        self.assertIs(choices.known(self.host, _terms(chart="system.load", after="-5")), choice)
        other = self.stage.hub.find("web1")
        assert other is not None
        self.assertIsNone(choices.known(other, terms))
        self.stage.chart(evolve(LOAD, title="another"))
        self.assertIsNone(choices.known(self.host, terms))
        renewed = self.successResultOf(_fired(choices, self.host, terms))
        self.assertEqual(renewed.charts[0].title, "another")

    def test_bounded(self) -> None:
        """
        However many terms come, no more dimensions are known than may be.
        """
        choices = Choices(Turns(self.stage.clock), 5)
        for number in range(20):
            terms = _terms(chart="system.load", group_options=str(number))
            self.successResultOf(_fired(choices, self.host, terms))
            self.assertLessEqual(2 * len(choices), 5)
            self.assertIsNotNone(choices.known(self.host, terms))

    def test_nothing(self) -> None:
        """
        What means nothing is not kept.
        """
        choices = Choices(Turns(self.stage.clock))
        failure = self.failureResultOf(_fired(choices, self.host, _terms(chart="nothing")), Refusal)
        self.assertEqual(failure.value.status, 404)
        self.assertEqual(len(choices), 0)
