"""
What asks for an answer of the API.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from netstream.web.answer import header
from netstream.web.target import Parameters


class Ask:
    """
    What one request brings along.

    @ivar parameters: What stands behind the path.
    @ivar client: The address of the client, as text.
    @ivar token: The secret that it presents, if any.
    """

    def __init__(
        self,
        parameters: Parameters,
        client: str,
        token: str = "",
        gone: Callable[[], Deferred[None]] | None = None,
    ) -> None:
        """
        @param gone: Gives what fails when the client leaves.
        """
        self.parameters = parameters
        self.client = client
        self.token = token
        self._gone = gone

    def on_gone(self, action: Callable[[], None]) -> None:
        """
        Do something if the client leaves before it is answered.
        """
        if self._gone is not None:
            self._gone().addErrback(lambda failure: action())

    @classmethod
    def of(cls, request: Any) -> Ask:
        """
        @param request: One that is plain, or one of Twisted's.
        @return: What it brings along.
        """
        token = header(request, b"X-Auth-Token") or header(request, b"Authorization").removeprefix("Bearer ")
        return cls(request.parameters, request.visitor.address, token, getattr(request, "notifyFinish", None))
