"""
What terms mean in a host is found out once.
"""

from __future__ import annotations

import numpy as np
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from netstream.hub.hub import Host
from netstream.model.chart import Chart, Dimension
from netstream.turns import Turns
from netstream.web.answer import Refusal
from netstream.web.query import Choice, Choices, _share
from netstream.web.questions import Terms
from netstream.web.target import Parameters
from tests.web.stage import LOAD, Stage


def _terms(**said: str) -> Terms:
    return Terms.parse(Parameters(said))


def _fired(choices: Choices, host: Host, terms: Terms) -> Deferred[Choice]:
    return Deferred.fromCoroutine(choices.of(host, terms))


class Name(str):
    """
    A name that counts how often any of its kind is compared.
    """

    compared = 0

    def __eq__(self, other: object) -> bool:
        Name.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


class WideTests(SynchronousTestCase):
    """
    What thousands of columns cost grows with their number, not with its square.
    """

    def setUp(self) -> None:
        Name.compared = 0

    def test_keys(self) -> None:
        """
        Each of many columns gets a name of its own; those that share one are
        told apart by their chart.
        """
        chart = Chart("wide.c")
        names = [f"d{number}" for number in range(2000)]
        dimensions = [(chart, Dimension(name, name=Name(name))) for name in names]
        other = Chart("wide.d"), Dimension("d0", name=Name("d0"))
        choice = Choice(_terms(chart="wide.*"), [chart, other[0]], [*dimensions, other])
        self.assertEqual(choice.keys, ["wide.c.d0", *names[1:], "wide.d.d0"])
        self.assertLess(Name.compared, 10000)

    def test_share(self) -> None:
        """
        Each column is a share of its own chart, where there are many.
        """
        owners = [Name(f"wide.c{number}") for number in range(1000)] * 2
        values = np.array([[1.0] * 1000 + [3.0] * 1000, [np.nan] * 1000 + [5.0] * 1000])
        shares = _share(values, owners, 1001)
        self.assertEqual(shares[0].tolist(), [25.0] * 1000 + [75.0])
        self.assertEqual((np.isnan(shares[1]).sum(), shares[1, 1000]), (1000, 100.0))
        self.assertLess(Name.compared, 10000)


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
