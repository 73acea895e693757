"""
Request targets are taken apart as clients of agents expect.
"""

from twisted.trial.unittest import SynchronousTestCase

from netstream.web.target import BadParameter, Parameters, parse

TARGETS = (
    (b"/api/v1/info", "/api/v1/info", {}),
    (b"/api/v1/alarms?all", "/api/v1/alarms", {"all": ""}),
    (b"/api/v1/alarms%3Fall&format=json", "/api/v1/alarms", {"all": "", "format": "json"}),
    (b"/api/v1/data%3fchart%3Da.b%26after=-1", "/api/v1/data", {"chart": "a.b", "after": "-1"}),
    (b"/api/v1/data?chart=a%26b&after=-1", "/api/v1/data", {"chart": "a&b", "after": "-1"}),
    (b"/api/v1/data?chart=a+b%2Bc", "/api/v1/data", {"chart": "a b+c"}),
    (b"/api/v1/data?chart=a=b", "/api/v1/data", {"chart": "a=b"}),
    (b"/api/v1/data?chart=&chart=x&chart=", "/api/v1/data", {"chart": "x"}),
    (b"/api/v1/data?=x&&", "/api/v1/data", {}),
    (b"/host/caf%C3%A9/", "/host/caf\xe9/", {}),
    ("/host/caf\xe9/".encode(), "/host/caf\xe9/", {}),
    (b"/%ff%00", "/\ufffd\x00", {}),
    (b"http://elsewhere:1/api/v1/info?x=1", "/api/v1/info", {"x": "1"}),
    (b"//api//v1", "/api/v1", {}),
    (b"/node/a/api/v3/data?x=1", "/host/a/api/v3/data", {"x": "1"}),
    (b"/node%2Fa//api%2Fv1/info%3Fx=1", "/host/a/api/v1/info", {"x": "1"}),
    (b"/node/a/", "/node/a/", {}),
    (b"/x/node/a/api/v1/info", "/x/node/a/api/v1/info", {}),
    (
        b"/d?dimensions=a&dimensions=b&options=ms&options=flip&chart=x&chart=y",
        "/d",
        {"dimensions": "a|b", "options": "ms|flip", "chart": "y"},
    ),
    (b"", "/", {}),
    (b"*", "/*", {}),
    (b"/%", "/%", {}),
)
"""Targets, and the path and parameters of each."""

NUMBERS = (
    ("-600", -600),
    ("7", 7),
    ("+7", 7),
    ("1700000000.9", 1700000000),
    ("99999999999999999999", 1000),
    ("-9e", None),
)


class TargetTests(SynchronousTestCase):
    """
    Tests for L{parse}.
    """

    def test_parse(self) -> None:
        """
        An encoded question mark divides path and parameters, and an encoded
        ampersand stays in its value where the question mark is a plain one.
        """
        for uri, path, values in TARGETS:
            target = parse(uri)
            self.assertEqual((target.path, dict(target.parameters.values)), (path, values), repr(uri))

    def test_quoted(self) -> None:
        """
        A path survives being written and read again.
        """
        for uri, path, _ in TARGETS:
            self.assertEqual(parse(parse(uri).place.quoted).path, path, repr(uri))


class ParametersTests(SynchronousTestCase):
    """
    Tests for L{Parameters}.
    """

    def test_number(self) -> None:
        """
        Whole numbers of any size are taken and bounded, anything else is
        refused with a reason that names the parameter.
        """
        for text, expected in NUMBERS:
            asked = Parameters({"after": text})
            if expected is None:
                with self.assertRaises(BadParameter) as caught:
                    asked.number("after", -600, -1000, 1000)
                self.assertIn("after: '-9e' is not", str(caught.exception))
            else:
                self.assertEqual(asked.number("after", 0, -1000, 2 * 10**9 if expected > 1000 else 1000), expected)
        self.assertEqual(Parameters({"after": ""}).number("after", -600, -1000, 1000), -600)

    def test_text(self) -> None:
        """
        An empty value counts as none, and spellings stand for each other.
        """
        asked = Parameters({"dims": "", "dimensions": "a"})
        self.assertEqual(asked.text("dims", "dimensions"), "a")
        self.assertEqual(asked.text("dims", default="x"), "x")

    def test_words_and_truth(self) -> None:
        """
        Lists are divided by commas, bars and blanks; switches know yes and no.
        """
        asked = Parameters({"options": "ms|flip, abs", "help": "yes", "types": "no", "names": ""})
        self.assertEqual(asked.words("options"), ["ms", "flip", "abs"])
        self.assertEqual([asked.truth(n, True) for n in ("help", "types", "names", "none")], [True, False, True, True])
