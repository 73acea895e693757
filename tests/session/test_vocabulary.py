"""
Tests for what definitions have in common.
"""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netstream.model.chart import Chart
from netstream.model.samples import SeriesTable
from netstream.model.updates import ChartDefined
from netstream.session.handshake import OFFER
from netstream.session.receiver import Receiver
from netstream.session.vocabulary import Vocabulary
from netstream.wire import lexicon

DEFINITION = (
    b'CHART "a.%d" "" "Title %d" "units" "family" "context" "line" 1000 %d "" "plugin" "module"\n'
    b'CLABEL "place" "here" 1\nCLABEL_COMMIT\nDIMENSION "x" "x" "absolute" 1 1 ""\n'
)


def defined(vocabulary: Vocabulary, text: bytes, **settings: Any) -> list[Chart]:
    """
    @return: The charts that a child defines.
    """
    receiver = Receiver(SeriesTable("node"), OFFER, vocabulary=vocabulary, **settings)
    updates = receiver.receive(text + b"BEGIN a.0\nEND\n", 0)
    return [update.chart for update in updates if isinstance(update, ChartDefined)]


class VocabularyTests(SynchronousTestCase):
    """
    Connections that share one.
    """

    def setUp(self) -> None:
        self.vocabulary = Vocabulary()

    def test_shared(self) -> None:
        """
        A chart that two nodes have takes the memory of one.
        """
        text = DEFINITION % (0, 0, 1)
        (one,), (other,) = (defined(self.vocabulary, text) for _ in range(2))
        self.assertIs(one, other)
        self.assertEqual(one.labels["place"].value, "here")
        self.assertEqual(list(one.dimensions), ["x"])

    def test_parts_shared(self) -> None:
        """
        Charts that differ share the dimensions and labels that do not.
        """
        one, other = defined(self.vocabulary, DEFINITION % (0, 0, 1) + DEFINITION % (1, 1, 1))
        self.assertEqual((one.title, other.title), ("Title 0", "Title 1"))
        self.assertIs(one.dimensions["x"], other.dimensions["x"])
        self.assertIs(one.labels["place"], other.labels["place"])
        self.assertIs(one.context, other.context)

    def test_not_confused(self) -> None:
        """
        What stands in equal lines and still means something else is not
        shared: the default period, other labels, other dimensions.
        """
        text = DEFINITION % (0, 0, 0)
        (one,) = defined(self.vocabulary, text)
        (slower,) = defined(self.vocabulary, text, update_every=5)
        self.assertEqual((one.update_every, slower.update_every), (1, 5))
        (labelled,) = defined(self.vocabulary, text.replace(b'"place"', b'"room"'))
        self.assertEqual(list(labelled.labels), ["room"])
        (bigger,) = defined(self.vocabulary, text + b'DIMENSION "y"\n')
        self.assertEqual(list(bigger.dimensions), ["x", "y"])
        self.assertEqual(defined(self.vocabulary, text), [one])

    def test_redefined(self) -> None:
        """
        A chart that gets another dimension changes for the node that says so
        alone.
        """
        text = DEFINITION % (0, 0, 1)
        (one,) = defined(self.vocabulary, text)
        before, after = defined(self.vocabulary, text + b"CHART_DEFINITION_END 0 0 0\n" + b'DIMENSION "y"\n')
        self.assertIs(before, one)
        self.assertEqual(list(after.dimensions), ["x", "y"])
        self.assertEqual(list(one.dimensions), ["x"])

    def test_bounded(self) -> None:
        """
        Ever new charts cannot fill the memory, and are right although what
        was remembered is forgotten again and again.
        """
        self.vocabulary = Vocabulary(lexicon.Lexicon(5), 7)
        text = b"".join(DEFINITION % (n, n, 1) for n in range(100))
        for _ in range(2):
            charts = defined(self.vocabulary, text)
            self.assertEqual([chart.title for chart in charts], [f"Title {n}" for n in range(100)])
            for chart in charts:
                self.assertEqual((list(chart.dimensions), chart.labels["place"].value), (["x"], "here"))
        self.assertLessEqual(len(self.vocabulary.lexicon.lines), 5)
        long = DEFINITION.replace(b"Title", b"Title" + b"-" * lexicon.LONGEST) % (0, 0, 1)
        before = set(self.vocabulary.lexicon.lines)
        self.assertEqual(len(defined(self.vocabulary, long)[0].title), lexicon.LONGEST + 7)
        self.assertFalse([line for line in set(self.vocabulary.lexicon.lines) - before if len(line) > lexicon.LONGEST])
