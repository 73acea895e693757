"""
A child made of text, which tells an agent a history at once.
"""

from __future__ import annotations

import math
import socket
import uuid
from collections.abc import Mapping, Sequence

from netstream.model.chart import Chart
from netstream.model.samples import Float64s
from tests.interop.peers import KEY, RealAgent, wait_for


def tell(agent: RealAgent, host: str, first: int, now: int, history: Sequence[tuple[Chart, Float64s]]) -> socket.socket:
    """
    Stream the past of charts by replication, as a child of version 1.1 does,
    and wait until the agent has it.

    @param host: Host name of the child.
    @param first: Second of the first row.
    @param now: The current second.
    @param history: Charts, with whole values of shape (seconds, dimensions);
        NaN is a gap.
    @return: The connection, which has to stay open.
    """
    child = socket.create_connection(("127.0.0.1", agent.port), timeout=60)
    child.sendall(
        f"STREAM key={KEY}&hostname={host}&registry_hostname={host}&machine_guid={uuid.uuid4()}&update_every=1"
        f"&os=linux&timezone=UTC&abbrev_timezone=UTC&utc_offset=0&hops=1&ver={760 + 4096}"
        "&NETDATA_PROTOCOL_VERSION=1.1 HTTP/1.1\r\nUser-Agent: test/1\r\nAccept: */*\r\n\r\n".encode()
    )
    if not child.recv(200).startswith(b"Hit me baby"):
        raise AssertionError("the agent took no child")
    for chart, values in history:
        last = first + len(values) - 1
        lines = [f'CHART "{chart.id}" "" "t" "u" "f" "{chart.context}" "line" 1000 1 "" "p" "m"']
        lines += [f'DIMENSION "{d.id}" "{d.name}" "absolute" 1 1 ""' for d in chart.dimensions.values()]
        lines += [f"CHART_DEFINITION_END {first} {last} {now}", f'RBEGIN "{chart.id}"']
        for second, row in enumerate(values.tolist(), first):
            lines.append(f"RBEGIN '' {second - 1} {second} {now}")
            for name, value in zip(chart.dimensions, row, strict=True):
                lines.append(f'RSET "{name}" NAN "E"' if math.isnan(value) else f'RSET "{name}" {value:.0f} ""')
        lines += [f"REND 1 {first} {last} true {first} {last} {now}", ""]
        child.sendall("\n".join(lines).encode())
        asked = {"chart": chart.id, "after": last - 5, "before": last}
        _wait(agent, host, asked)
    return child


def _wait(agent: RealAgent, host: str, asked: Mapping[str, object]) -> None:
    wait_for("the agent has the history", lambda: agent.get("data", host, **asked)["data"][0][0] == asked["before"])
