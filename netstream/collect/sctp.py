"""
C{/proc/net/sctp/snmp}: what SCTP counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from netstream.collect.charts import LINE
from netstream.collect.counters import CounterFile, Row, level, rate


class Sctp(CounterFile):
    """
    Associations, packets and chunks of SCTP.
    """

    PATH = "net/sctp/snmp"
    ROWS: ClassVar[Sequence[Row]] = (
        Row(
            "sctp.established",
            "SCTP current total number of established associations",
            "associations",
            "associations",
            LINE,
            7000,
            level("SctpCurrEstab", "SctpCurrEstab", name="established"),
        ),
        Row(
            "sctp.transitions",
            "SCTP Association Transitions",
            "transitions/s",
            "transitions",
            LINE,
            7010,
            rate("SctpActiveEstabs", "SctpActiveEstabs", name="active"),
            rate("SctpPassiveEstabs", "SctpPassiveEstabs", name="passive"),
            rate("SctpAborteds", "SctpAborteds", -1, 1, name="aborted"),
            rate("SctpShutdowns", "SctpShutdowns", -1, 1, name="shutdown"),
        ),
        Row(
            "sctp.packets",
            "SCTP Packets",
            "packets/s",
            "packets",
            LINE,
            7020,
            rate("SctpInSCTPPacks", "SctpInSCTPPacks", name="received"),
            rate("SctpOutSCTPPacks", "SctpOutSCTPPacks", -1, 1, name="sent"),
            detail=True,
        ),
        Row(
            "sctp.packet_errors",
            "SCTP Packet Errors",
            "packets/s",
            "packets",
            LINE,
            7030,
            rate("SctpOutOfBlues", "SctpOutOfBlues", name="invalid"),
            rate("SctpChecksumErrors", "SctpChecksumErrors", name="checksum"),
            detail=True,
        ),
        Row(
            "sctp.fragmentation",
            "SCTP Fragmentation",
            "packets/s",
            "fragmentation",
            LINE,
            7040,
            rate("SctpReasmUsrMsgs", "SctpReasmUsrMsgs", name="reassembled"),
            rate("SctpFragUsrMsgs", "SctpFragUsrMsgs", -1, 1, name="fragmented"),
            detail=True,
        ),
        Row(
            "sctp.chunks",
            "SCTP Chunk Types",
            "chunks/s",
            "chunks",
            LINE,
            7050,
            rate("SctpInCtrlChunks", "SctpInCtrlChunks", name="InCtrl"),
            rate("SctpInOrderChunks", "SctpInOrderChunks", name="InOrder"),
            rate("SctpInUnorderChunks", "SctpInUnorderChunks", name="InUnorder"),
            rate("SctpOutCtrlChunks", "SctpOutCtrlChunks", -1, 1, name="OutCtrl"),
            rate("SctpOutOrderChunks", "SctpOutOrderChunks", -1, 1, name="OutOrder"),
            rate("SctpOutUnorderChunks", "SctpOutUnorderChunks", -1, 1, name="OutUnorder"),
            detail=True,
        ),
    )
