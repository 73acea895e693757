"""
Tests for L{netstream.session.labels}.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.model.host import Label
from netstream.session.labels import LONGEST_NAME, LONGEST_VALUE, label, label_name, label_value


class LabelTests(SynchronousTestCase):
    """
    Labels are kept in the form that every node gives them.
    """

    def test_names(self) -> None:
        """
        A name has neither blanks nor what separates.
        """
        self.assertEqual(label_name(" my label=1:2 "), "my_label_1_2")
        self.assertEqual(label_name("a\\b"), "a/b")
        self.assertEqual(label_name("_os_name"), "_os_name")

    def test_values(self) -> None:
        """
        A value has single blanks and no quotes.
        """
        self.assertEqual(label_value('say  "a",\tb=c;d\x07'), "say _a_._b:c:d_")
        self.assertEqual(label_value("12 (bookworm)"), "12 (bookworm)")

    def test_source(self) -> None:
        """
        Bits that real agents leak into the source are not kept.
        """
        self.assertEqual(label("x", 536870913), Label("x", 1))
        self.assertEqual(label("x", 2147483657), Label("x", 9))
        self.assertEqual(label("x", -1), Label("x", 15))

    @given(st.text(max_size=1200))
    @settings(max_examples=300, deadline=None)
    def test_any_text(self, text: str) -> None:
        """
        Every text becomes one of bounded length that stays as it is at the
        next node.
        """
        name, value = label_name(text), label_value(text)
        self.assertLessEqual(len(name.encode()), LONGEST_NAME)
        self.assertLessEqual(len(value.encode()), LONGEST_VALUE)
        self.assertEqual((label_name(name), label_value(value)), (name, value))
