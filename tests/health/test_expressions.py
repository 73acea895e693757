"""
Expressions: what they mean, and what is said of texts that are none.
"""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.health.expressions import Expression, ExpressionError

NAN = math.nan
TABLE: tuple[tuple[str, dict[str, float], float], ...] = (
    ("1", {}, 1),
    ("1.5e2", {}, 150),
    ("1 || 0 && 0", {}, 0),  # one level, from the left
    ("0 && 0 || 1", {}, 1),
    ("1 > 0 ? 5 : 6", {}, 5),
    ("0 ? 1 : 0 ? 2 : 3", {}, 3),
    ("1 ? 2 : 0 ? 3 : 4", {}, 2),
    ("1 + 2 * 3", {}, 7),
    ("(1 + 2) * 3", {}, 9),
    ("10 - 3 - 2", {}, 5),
    ("100 / 10 / 5", {}, 2),
    ("7 % 4", {}, 3),
    ("-3 + 5", {}, 2),
    ("--3", {}, 3),
    ("+3", {}, 3),
    ("abs(-3) + ABS(2)", {}, 5),
    ("!0 and NOT 0", {}, 1),
    ("0 or 0", {}, 0),
    ("2 = 2", {}, 1),
    ("2 <> 2", {}, 0),
    ("2 != 3", {}, 1),
    ("1 < 2 == 1", {}, 1),
    ("nan == nan", {}, 1),
    ("null != nan", {}, 0),
    ("inf == -infinity", {}, 1),
    ("nan > 1", {}, 0),
    ("nan < 1", {}, 0),
    ("inf ? 1 : 2", {}, 1),
    ("nan ? 1 : 2", {}, 2),
    ("$a > 5", {"a": 6}, 1),
    ("$a>5", {"a": 4}, 0),
    ("${a b.c} * 2", {"a b.c": 4}, 8),
    ("$system.cpu.user+1", {"system.cpu.user": 4}, 5),
    ("$used * 100 / ($used + $free)", {"used": 1, "free": 3}, 25),
    ("$this > (($status >= $WARNING) ? (75) : (85))", {"this": 80, "status": 1, "WARNING": 2}, 0),
    ("$this > (($status >= $WARNING) ? (75) : (85))", {"this": 80, "status": 2, "WARNING": 2}, 1),
    ("$unknown > 1", {}, 0),
    ("$unknown + 1", {}, NAN),
    ("1 / 0", {}, NAN),
    ("1 / nan", {}, NAN),
    ("1 / inf", {}, NAN),
    ("1 > (1 / 0)", {}, NAN),
    ("0 ? (1 / 0) : 4", {}, 4),
    ("inf - inf", {}, NAN),
    ("(inf - inf) == inf", {}, 1),
    ("inf", {}, NAN),
)
WRONG = (
    ("1 +", "a value is missing before 'the end'"),
    ("(1", "')' is missing"),
    ("$a $b", "'$b' is too much"),
    ("speed > 1", "variables begin with '$'"),
    ("1 ? 2", "':' is missing after '?'"),
    ("", "a value is missing"),
    ("1 @ 2", "means nothing"),
    ("1 ) + 2", "is too much"),
    ("(" * 5000 + "1" + ")" * 5000, "longer than"),
    ("(" * 500 + "1" + ")" * 500, "parts within each other"),
    ("-" * 500 + "1", "parts within each other"),
)


class ExpressionTests(SynchronousTestCase):
    """
    L{Expression}.
    """

    def test_values(self) -> None:
        """
        Expressions give what agents of version 2 make of them; no value is NaN.
        """
        for text, variables, expected in TABLE:
            expression = Expression.parse(text)
            found = expression.evaluate([variables.get(name, NAN) for name in expression.names])
            self.assertTrue(found == expected or (math.isnan(found) and math.isnan(expected)), f"{text} is {found}")

    def test_bracketed_form_means_the_same(self) -> None:
        """
        The form with all brackets, which the API shows, has the same value.
        """
        for text, variables, _ in TABLE:
            one = Expression.parse(text)
            two = Expression.parse(one.parsed)
            values = [variables.get(name, NAN) for name in one.names]
            self.assertEqual(one.names, two.names)
            self.assertEqual(str(one.evaluate(values)), str(two.evaluate(values)), text)
            self.assertEqual(one.parsed, two.parsed)

    def test_wrong(self) -> None:
        """
        What is no expression is refused with a reason, however deep it is.
        """
        for text, reason in WRONG:
            with self.assertRaises(ExpressionError) as caught:
                Expression.parse(text)
            self.assertIn(reason, str(caught.exception))

    @settings(max_examples=300, deadline=None)
    @given(st.text(alphabet="$ab1.0 +-*/%()?:<>=!&|{}NOTANDRabs\\\"'", max_size=40))
    def test_any_text(self, text: str) -> None:
        """
        Any text is an expression with a number, or is refused; nothing else happens.
        """
        try:
            expression = Expression.parse(text)
        except ExpressionError:
            return
        self.assertIsInstance(expression.evaluate([1.0] * len(expression.names)), float)
