"""
What axe finds wrong with a page for people who do not see it, or use no mouse.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from tests.interop.peers import missing

if TYPE_CHECKING:
    from tests.browser.case import BrowserTestCase

_RUN = """
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, help, nodes }) => [id, help, ...nodes.slice(0, 3).map(({ html }) => html)].join(" | "));
"""


def _script() -> str:
    try:
        return (files("axe_core_python") / "axe.min.js").read_text("utf-8")
    except ModuleNotFoundError:
        missing("axe cannot be had (pip install axe-core-python)")
        raise


def serious(case: BrowserTestCase) -> list[str]:
    """
    @return: What is serious or critical on the page that the browser shows.
    """
    case.browser.execute_script(_script())
    said = case.run_script(_RUN)
    assert "value" in said, said
    found: list[str] = said["value"]
    return found
