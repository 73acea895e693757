"""
The expressions of alert definitions: text to a tree, and the tree to a number.

Precedence, from loose to tight: C{? :} (to the right), C{&&} and C{||} (one
level, to the left), equality, relation, sum, product, unary.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Self

from attrs import field, frozen

Values = Sequence[float]
"""The value of each variable of an expression, in the order of its names."""
Step = Callable[[Values], float]
"""A part of an expression, ready to be worked out."""

MOST_DEEP = 100
"""Parts within parts; a deeper expression is refused."""
LONGEST = 8192
"""Characters of an expression."""

_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<name>\$\{[^{}]*\}|\$[^\s!&|<>=?:*/+\-%(){},]+)"
    r"|(?P<operator>&&|\|\||==|!=|<>|<=|>=|[-+*/%!<>=?:()])"
    r"|(?P<word>[A-Za-z]+)"
    r")",
    re.ASCII,
)
_WORDS = {"and": "&&", "or": "||", "not": "!"}
_SPELLINGS = {"=": "==", "<>": "!="}
_NUMBERS = {"nan": math.nan, "null": math.nan, "inf": math.inf, "infinity": math.inf}


class ExpressionError(ValueError):
    """
    The text is no expression; the message says where and why.
    """


class CannotEvaluate(ArithmeticError):
    """
    An expression has no value: it divides by what nothing can be divided by.
    """


def _true(value: float) -> bool:
    return value != 0 and not math.isnan(value)


def _same(a: float, b: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if math.isinf(a) or math.isinf(b):
        return math.isinf(a) and math.isinf(b)
    return a == b


def _add(a: float, b: float) -> float:
    if math.isnan(a) or math.isnan(b):
        return math.nan
    return math.inf if math.isinf(a) or math.isinf(b) else a + b


def _subtract(a: float, b: float) -> float:
    if math.isnan(a) or math.isnan(b):
        return math.nan
    return math.inf if math.isinf(a) or math.isinf(b) else a - b


def _multiply(a: float, b: float) -> float:
    if math.isnan(a) or math.isnan(b):
        return math.nan
    return math.inf if math.isinf(a) or math.isinf(b) else a * b


def _divide(a: float, b: float) -> float:
    if b == 0 or not math.isfinite(b):
        raise CannotEvaluate(f"division by {b:g}")
    return a / b


def _remainder(a: float, b: float) -> float:
    if b == 0 or not math.isfinite(b):
        raise CannotEvaluate(f"remainder by {b:g}")
    return math.fmod(a, b) if math.isfinite(a) else math.nan


_BINARY: dict[str, tuple[int, Callable[[float, float], float]]] = {
    "==": (2, lambda a, b: float(_same(a, b))),
    "!=": (2, lambda a, b: float(not _same(a, b))),
    "<": (3, lambda a, b: float(a < b)),
    "<=": (3, lambda a, b: float(a <= b)),
    ">": (3, lambda a, b: float(a > b)),
    ">=": (3, lambda a, b: float(a >= b)),
    "+": (4, _add),
    "-": (4, _subtract),
    "*": (5, _multiply),
    "/": (5, _divide),
    "%": (5, _remainder),
}
_LOGIC = 1


@frozen
class _Part:
    text: str
    run: Step = field(eq=False, repr=False)


def _binary(operator: str, left: _Part, right: _Part) -> _Part:
    text = f"({left.text} {operator} {right.text})"
    a, b = left.run, right.run
    if operator == "&&":
        return _Part(text, lambda values: float(_true(a(values)) and _true(b(values))))
    if operator == "||":
        return _Part(text, lambda values: float(_true(a(values)) or _true(b(values))))
    work = _BINARY[operator][1]
    return _Part(text, lambda values: work(a(values), b(values)))


def _chosen(condition: _Part, yes: _Part, no: _Part) -> _Part:
    test, then, otherwise = condition.run, yes.run, no.run
    return _Part(
        f"({condition.text} ? {yes.text} : {no.text})",
        lambda values: then(values) if _true(test(values)) else otherwise(values),
    )


def _unary(operator: str, part: _Part) -> _Part:
    run = part.run
    if operator == "!":
        return _Part(f"!{part.text}", lambda values: float(not _true(run(values))))
    if operator == "-":
        return _Part(f"-{part.text}", lambda values: -run(values))
    if operator == "abs":
        return _Part(f"abs({part.text})", lambda values: abs(run(values)))
    return part


def _constant(text: str, value: float) -> _Part:
    return _Part(text, lambda values: value)


def _variable(name: str, place: int) -> _Part:
    return _Part(f"${{{name}}}", lambda values: values[place])


class _Reader:
    """
    Reads the tokens of one expression.
    """

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise ExpressionError(f"is longer than {LONGEST} characters")
        self._tokens = self._split(text)
        self._at = 0
        self._deep = 0
        self.names: dict[str, int] = {}

    def _split(self, text: str) -> list[tuple[str, str]]:
        found, at = [], 0
        text = text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise ExpressionError(f"{text[at:].strip()[:20]!r} at character {at + 1} means nothing")
            kind, word = str(match.lastgroup), match[match.lastgroup or 0]
            if kind == "word" and word.lower() in _WORDS:
                kind, word = "operator", _WORDS[word.lower()]
            found.append((kind, _SPELLINGS.get(word, word) if kind == "operator" else word))
            at = match.end()
        return found

    def _next(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "the end")

    def _operator(self, *operators: str) -> str:
        """
        @return: The operator that comes next if it is one of these, else
            C{""}; it is passed.
        """
        kind, word = self._next()
        if kind != "operator" or word not in operators:
            return ""
        self._at += 1
        return word

    def _expect(self, operator: str, after: str) -> None:
        if not self._operator(operator):
            raise ExpressionError(f"{operator!r} is missing {after}, before {self._next()[1]!r}")

    def whole(self) -> _Part:
        part = self.condition()
        if self._next()[0] != "end":
            raise ExpressionError(f"{self._next()[1]!r} is too much: an operator is missing before it")
        return part

    def condition(self) -> _Part:
        self._deep += 1
        if self._deep > MOST_DEEP:
            raise ExpressionError(f"has more than {MOST_DEEP} parts within each other")
        part = self._level(_LOGIC)
        if self._operator("?"):
            yes = self.condition()
            self._expect(":", "after '?'")
            part = _chosen(part, yes, self.condition())
        self._deep -= 1
        return part

    def _level(self, level: int) -> _Part:
        if level > 5:
            return self._unary()
        part = self._level(level + 1)
        here = ("&&", "||") if level == _LOGIC else tuple(o for o, (at, _) in _BINARY.items() if at == level)
        while operator := self._operator(*here):
            part = _binary(operator, part, self._level(level + 1))
        return part

    def _unary(self) -> _Part:
        self._deep += 1
        if self._deep > MOST_DEEP:
            raise ExpressionError(f"has more than {MOST_DEEP} parts within each other")
        operator = self._operator("!", "-", "+")
        part = _unary(operator, self._unary()) if operator else self._primary()
        self._deep -= 1
        return part

    def _primary(self) -> _Part:
        kind, word = self._next()
        self._at += 1
        if kind == "number":
            return _constant(word, float(word))
        if kind == "name":
            name = word[2:-1].strip() if word.startswith("${") else word[1:]
            return _variable(name, self.names.setdefault(name, len(self.names)))
        if kind == "operator" and word == "(":
            part = self.condition()
            self._expect(")", "after '('")
            return part
        if kind == "word" and word.lower() in _NUMBERS:
            return _constant(word.lower(), _NUMBERS[word.lower()])
        if kind == "word" and word.lower() == "abs":
            self._expect("(", "after 'abs'")
            part = _unary("abs", self.condition())
            self._expect(")", "after 'abs('")
            return part
        if kind == "word":
            raise ExpressionError(f"{word!r} is no word of expressions; variables begin with '$'")
        raise ExpressionError(f"a value is missing before {word!r}")


@frozen
class Expression:
    """
    An expression, parsed once.

    @ivar source: As it was written.
    @ivar parsed: The same with all brackets, and variables as C{${NAME}}.
    @ivar names: Its variables, each once, in order of their first use.
    """

    source: str
    parsed: str
    names: tuple[str, ...]
    _run: Step = field(eq=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        @raise ExpressionError: It is none.
        """
        reader = _Reader(text)
        part = reader.whole()
        return cls(text.strip(), part.text, tuple(reader.names), part.run)

    def evaluate(self, values: Values) -> float:
        """
        @param values: Of each of the names, in their order; NaN for one that
            is not known.
        @return: A finite number; NaN if there is none.
        """
        try:
            result = self._run(values)
        except (CannotEvaluate, OverflowError):
            return math.nan
        return result if math.isfinite(result) else math.nan
