"""
The process of a worker: C{python -m netstream.processes.worker}, started by
the process that serves and by nobody else.

It has its orders and everything else over descriptor 3, shares memory through
4, and logs to its standard error.  When the connection ends, for whatever
reason, it writes what is to be written and ends.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger, globalLogBeginner
from twisted.python.failure import Failure

from netstream.garbage import Garbage, keep_free
from netstream.hub import shared
from netstream.processes.channel import Channel
from netstream.processes.logs import Writer
from netstream.processes.work import Worker
from netstream.streaming.passing import One
from netstream.switching import Switching

CHANNEL, MEMORY = 3, 4
"""The descriptors that it is given."""


def main() -> None:
    """
    Work until the process that serves ends the connection.
    """
    from twisted.internet import reactor as installed

    with suppress(OSError):
        os.setsid()  # so that Ctrl-C is for the process that serves alone
    reactor: Any = installed
    globalLogBeginner.beginLoggingTo([Writer(sys.stderr)], redirectStandardIO=False, discardBuffer=True)
    words = shared.opened(MEMORY, write=True)
    os.close(MEMORY)

    def lost() -> None:
        if reactor.running:
            reactor.stop()

    channel = Channel("the process that serves", lost)
    worker = Worker(channel, words, reactor)

    def stop() -> Deferred[None]:
        return worker.stop().addErrback(_failed)

    reactor.addSystemEventTrigger("before", "shutdown", stop)
    os.set_blocking(CHANNEL, False)
    reactor.adoptStreamConnection(CHANNEL, socket.AF_UNIX, One(channel))
    os.close(CHANNEL)
    keep_free()
    Garbage(reactor).startService()
    Switching().startService()
    reactor.run()


def _failed(failure: Failure) -> None:
    Logger("netstream").failure("the worker did not stop in good order", failure)


if __name__ == "__main__":
    main()
