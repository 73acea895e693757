"""
Messages to all whom they concern: at least once, each receiver by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from attrs import define
from twisted.internet.defer import CancelledError, Deferred, TimeoutError, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.config.places import STOCK
from netstream.health.definitions import SILENT
from netstream.health.log import Kept
from netstream.health.notify.email import Email
from netstream.health.notify.hooks import HOOKS
from netstream.health.notify.local import PROGRAM, Program, Syslog, is_program
from netstream.health.notify.message import Message
from netstream.health.notify.methods import Method, NotConfigured, Refused, TryLater, Wires
from netstream.health.notify.recipients import FILE, Recipients, parse
from netstream.health.service import Outlet

METHODS: tuple[type[Method], ...] = (Email, *HOOKS, Syslog)
"""All that a file can configure."""
WITHIN = 60.0
"""Seconds that a receiver has to take a message."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds between two attempts."""
GIVE_UP = 86400
"""Seconds after which a message is not sent any more."""
MOST_WAITING = 1000
"""Messages that wait for one receiver; older ones are given up then."""

Keep = Callable[[str, "tuple[str, int, Mapping[str, Any]] | None"], None]
"""Keeps how a delivery stands."""
Ended = Callable[[Message, bool], None]
"""Is told how a delivery ended for good."""


@define(eq=False)
class Delivery:
    """
    A message for one receiver.

    @ivar id: The same if it is sent again, also after a restart.
    @ivar since: When it was to be sent first, UTC seconds.
    """

    id: str
    method: str
    address: str
    message: Message
    since: int
    attempts: int = 0
    problem: str = ""

    def kept(self) -> dict[str, Any]:
        """
        @return: It as JSON takes it.
        """
        return {
            "id": self.id,
            "method": self.method,
            "address": self.address,
            "message": self.message.kept(),
            "since": self.since,
            "attempts": self.attempts,
            "problem": self.problem,
        }

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Delivery:
        """
        @raise TypeError: Something is missing.
        @raise KeyError: Something is missing.
        """
        values = {name: kept[name] for name in ("id", "method", "address", "since", "attempts", "problem")}
        return cls(message=Message.from_kept(kept["message"]), **values)


class _Lane:
    """
    What waits for one receiver, in order.
    """

    def __init__(self) -> None:
        self.waiting: deque[Delivery] = deque()
        self.sending: Deferred[Any] | None = None
        self.later: IDelayedCall | None = None
        self.pause = 0.0


class Notifier(Outlet):
    """
    Tells people as C{health_alarm_notify.conf} says.

    @ivar recipients: What the file says.
    """

    _log = Logger()

    def __init__(
        self,
        config_dir: Path,
        clock: IReactorTime,
        wires: Wires,
        keep: Keep,
        ended: Ended = lambda message, good: None,
    ) -> None:
        """
        @param config_dir: Where the file is.
        @param keep: Is given each delivery before it is sent, and when it is
            done.
        """
        self.recipients = Recipients()
        self._config_dir = config_dir
        self._clock = clock
        self._wires = wires
        self._keep = keep
        self._ended = ended
        self._methods: dict[str, Method] = {}
        self._lanes: dict[str, _Lane] = {}
        self._stopped = False

    # Who.

    def reload(self) -> None:
        path = self._config_dir / FILE
        if not path.exists():
            path = STOCK / FILE
        try:
            self.recipients = parse(path.read_text("utf-8", "replace"), str(path))
        except OSError as problem:
            self.recipients = Recipients(problems=[f"{path}: cannot be read: {problem.strerror}; nobody is told"])
        for problem_text in self.recipients.problems:
            self._log.warn("{problem}", problem=problem_text)
        self._methods = {PROGRAM: Program(self.recipients.options, self._wires, str(self._config_dir))}
        for make in METHODS:
            if not self.recipients.on(make.name) or not self._wanted(make):
                continue
            try:
                self._methods[make.name] = make(self.recipients.options, self._wires)
            except NotConfigured as problem:
                self._log.warn(
                    "{path}: {method}: {problem}; nobody is told by it",
                    path=str(path),
                    method=make.name,
                    problem=problem,
                )
        for lane in self._lanes.values():
            self._go_on(lane)

    def _wanted(self, method: type[Method]) -> bool:
        """
        @return: Whether anyone is to be told by a method.
        """
        recipients = self.recipients
        if recipients.of(method.name, method.short, ""):
            return True
        return any(name == method.name and text.strip() for (name, _), text in recipients.roles.items())

    def _addresses(
        self, roles: str, program: str, status: str = "", was_critical: bool = True
    ) -> Iterator[tuple[str, str]]:
        """
        @return: Method and address of each that is told, each once.
        """
        if is_program(program):
            yield PROGRAM, f"{program} {roles}"
            return
        seen: set[tuple[str, str]] = set()
        for role in roles.replace(",", " ").split():
            if role == SILENT:
                continue
            for method in self._methods.values():
                for recipient in self.recipients.of(method.name, method.short, role) if method.short else ():
                    pair = method.name, recipient.address
                    if pair not in seen and (not status or recipient.wants(status, was_critical)):
                        seen.add(pair)
                        yield pair

    def receivers(self, roles: str, program: str) -> list[str]:
        return [
            program if method == PROGRAM else self._methods[method].shown(address)
            for method, address in self._addresses(roles, program)
        ]

    # What.

    def tell(self, message: Message, program: str) -> bool:
        found = False
        for method, address in self._addresses(message.roles, program, message.status, message.was_critical):
            key = sha256(f"{message.transition_id} {message.unique_id} {method} {address}".encode()).hexdigest()[:40]
            delivery = Delivery(key, method, address, message, int(self._clock.seconds()))
            self._keep(key, ("pending", delivery.since, delivery.kept()))
            self._enqueue(delivery)
            found = True
        return found

    def restore(self, kept: Kept) -> None:
        for body in kept.pending:
            try:
                delivery = Delivery.of(body)
            except (TypeError, KeyError, ValueError):
                continue
            self._enqueue(delivery)

    def _enqueue(self, delivery: Delivery) -> None:
        method = self._methods.get(delivery.method)
        name = method.lane(delivery.address) if method is not None else f"{delivery.method} {delivery.address}"
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane()
        if len(lane.waiting) >= MOST_WAITING:
            # The one that is being sent is the first; it stays.
            oldest = lane.waiting[1]
            del lane.waiting[1]
            self._dead(oldest, "too many messages wait for the same receiver")
        lane.waiting.append(delivery)
        if lane.later is None:
            # Not before what is written of it is under way.
            lane.later = self._clock.callLater(0, self._later, lane)

    def _later(self, lane: _Lane) -> None:
        lane.later = None
        self._next(lane)

    def _go_on(self, lane: _Lane) -> None:
        """
        Try again at once.
        """
        lane.pause = 0.0
        if lane.later is not None and lane.later.active():
            lane.later.cancel()
            lane.later = None
        self._next(lane)

    def _next(self, lane: _Lane) -> None:
        if lane.sending is not None or lane.later is not None or not lane.waiting or self._stopped:
            return
        delivery = lane.waiting[0]
        method = self._methods.get(delivery.method)
        if method is None:
            lane.waiting.popleft()
            self._dead(delivery, "the method is not configured any more")
            self._next(lane)
            return
        delivery.attempts += 1
        sending = maybeDeferred(method.send, delivery.message, delivery.address, delivery.id)
        if delivery.method != PROGRAM:  # they have a limit of their own
            sending.addTimeout(WITHIN, self._clock)
        lane.sending = sending
        sending.addCallbacks(
            lambda _: self._sent(lane, delivery), lambda failure: self._failed(lane, delivery, failure)
        ).addErrback(lambda failure: self._log.failure("a message is stuck", failure))

    def _sent(self, lane: _Lane, delivery: Delivery) -> None:
        lane.sending, lane.pause = None, 0.0
        lane.waiting.popleft()
        self._keep(delivery.id, None)
        if delivery.attempts > 1:
            self._log.info("{receiver}: takes messages again", receiver=self._named(delivery))
        self._ended(delivery.message, True)
        self._next(lane)

    def _failed(self, lane: _Lane, delivery: Delivery, failure: Failure) -> None:
        lane.sending = None
        if self._stopped:
            return
        problem = "it took too long" if failure.check(TimeoutError, CancelledError) else str(failure.value)
        delivery.problem = problem[:500]
        now = int(self._clock.seconds())
        if failure.check(Refused, NotConfigured) or now - delivery.since > GIVE_UP:
            lane.waiting.popleft()
            self._dead(delivery, problem)
            self._next(lane)
            return
        if failure.check(TryLater, TimeoutError, CancelledError, OSError) is None:
            self._log.failure("{receiver}: was not told", failure, receiver=self._named(delivery))
        lane.pause = min(LONGEST_PAUSE, lane.pause * 2 or FIRST_PAUSE)
        wanted = failure.value.after if isinstance(failure.value, TryLater) else 0.0
        if delivery.attempts == 1:
            self._log.warn(
                "{receiver}: {alert} was not told, but is tried again: {problem}",
                receiver=self._named(delivery),
                alert=delivery.message.name,
                problem=problem,
            )
        lane.later = self._clock.callLater(max(lane.pause, min(wanted, 3600.0)), self._later, lane)

    def _dead(self, delivery: Delivery, problem: str) -> None:
        delivery.problem = problem[:500]
        self._keep(delivery.id, ("dead", int(self._clock.seconds()), delivery.kept()))
        self._log.error(
            "{receiver}: {alert} {status} of {host} is given up: {problem}",
            receiver=self._named(delivery),
            alert=delivery.message.name,
            status=delivery.message.status,
            host=delivery.message.hostname,
            problem=problem,
        )
        self._ended(delivery.message, False)

    def _named(self, delivery: Delivery) -> str:
        method = self._methods.get(delivery.method)
        return method.shown(delivery.address) if method is not None else delivery.method

    @property
    def waiting(self) -> int:
        """
        How many messages are not delivered yet.
        """
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def stop(self) -> Deferred[None] | None:
        self._stopped = True
        for lane in self._lanes.values():
            if lane.later is not None and lane.later.active():
                lane.later.cancel()
            lane.later = None
            if lane.sending is not None:
                lane.sending.cancel()
        return None
