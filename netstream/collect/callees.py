"""
Who answers which of a host's functions, where several sources offer some.
"""

from __future__ import annotations

from netstream.hub.hub import Host
from netstream.model.calls import Call, Callee, Caller, Over, Running, failed


class Callees:
    """
    Passes each call on to the source that offered the function last.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._offered: dict[tuple[str, str], Callee] = {}

    @classmethod
    def of(cls, host: Host) -> Callees:
        """
        @return: Those of a host for which nobody else answers.
        """
        if not isinstance(host.callee, cls):
            host.callee = cls(host)
        return host.callee

    def add(self, key: tuple[str, str], callee: Callee) -> None:
        """
        A source offers a function.

        @param key: Chart id or C{""}, and name.
        """
        self._offered[key] = callee

    def remove(self, key: tuple[str, str], callee: Callee) -> bool:
        """
        A source offers a function no more.

        @return: Whether nobody does now.
        """
        if self._offered.get(key) is callee:
            del self._offered[key]
        return key not in self._offered

    def call(self, call: Call, caller: Caller) -> Running:
        """
        Pass a call on.
        """
        function = self._host.function(call.command)
        callee = self._offered.get((function.chart, function.name)) if function is not None else None
        if callee is None:
            caller.answered(failed(503, "Nothing answers for that function"))
            return Over()
        return callee.call(call, caller)
