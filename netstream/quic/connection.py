"""
One QUIC connection that carries one stream, within bounds.

This is the only module that knows what aioquic keeps to itself: its own flow
control lets a peer send twice as much each time whether anybody reads or not,
it lets peers open streams that nobody wants, and it neither asks for nor looks
for what says that the other side has forgotten a connection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import Any

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import MAX_STREAM_DATA_FRAME_CAPACITY, QuicConnection, QuicConnectionState
from aioquic.quic.events import ConnectionTerminated
from aioquic.quic.packet import QuicFrameType
from aioquic.quic.packet_builder import QuicPacketBuilder
from cryptography import x509

ALPN = "netstream/1"
"""By what both sides know that they mean the same."""

STREAM = 0
"""The one stream, which the client opens."""

WINDOW = 512 * 1024
"""Bytes that a peer may send before they are read."""

IDLE = 30.0
"""Seconds of silence after which a connection is over."""

CID_LENGTH = 8
"""Bytes of the names that we give to connections."""

SMALLEST_RESET = 21
"""Bytes that say that a connection is forgotten, at least."""

CONNECTION_LIMIT_FRAME_CAPACITY = 9
_TOKEN = 16

ResetToken = Callable[[bytes], bytes]
"""Makes of a connection's name the token that says that it is forgotten."""

# Without this, Python prints what aioquic has to say of peers' mistakes on standard error.
logging.getLogger("quic").addHandler(logging.NullHandler())
logging.getLogger("quic").propagate = False


def configuration(
    *, client: bool, certificate: Sequence[x509.Certificate] = (), key: Any = None, name: str | None = None
) -> QuicConfiguration:
    """
    @param certificate: To present, followed by who issued it.
    @param key: Its private key.
    @param name: To ask for.
    @return: How connections are made here.
    """
    found = QuicConfiguration(
        alpn_protocols=[ALPN],
        connection_id_length=CID_LENGTH,
        idle_timeout=IDLE,
        is_client=client,
        max_data=WINDOW,
        max_stream_data=WINDOW,
        server_name=name,
        # Who owns a connection judges what was presented before anything else is sent.
        verify_mode=0,
    )
    if certificate:
        found.certificate, found.certificate_chain = certificate[0], list(certificate[1:])
        found.private_key = key
    return found


class Connection(QuicConnection):
    """
    One connection; whoever drives it passes datagrams and the time.
    """

    def __init__(
        self, settings: QuicConfiguration, *, asks: bool = False, reset_token: ResetToken | None = None, **more: Any
    ) -> None:
        """
        @param asks: Whether the client is asked for a certificate.
        @param reset_token: Makes the tokens that this side gives out.
        @param more: See C{QuicConnection}.
        """
        super().__init__(configuration=settings, **more)
        self._asks = asks
        self._reset_token = reset_token
        self._consumed = 0
        streams = self._local_max_streams_bidi
        streams.value = streams.sent = 0 if settings.is_client else 1
        self._local_max_streams_uni.value = self._local_max_streams_uni.sent = 0
        self._name_tokens()

    def _name_tokens(self) -> None:
        if self._reset_token is not None:
            for each in self._host_cids:
                each.stateless_reset_token = self._reset_token(each.cid)

    def _replenish_connection_ids(self) -> None:
        super()._replenish_connection_ids()
        self._name_tokens()

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self.tls._request_client_certificate = self._asks

    @property
    def names(self) -> list[bytes]:
        """
        How the other side may call the connection.
        """
        return [each.cid for each in self._host_cids]

    @property
    def presented(self) -> list[x509.Certificate]:
        """
        The certificate of the other side, and those that came with it; empty
        if it presented none.
        """
        certificate = self.tls._peer_certificate
        return [certificate, *self.tls._peer_certificate_chain] if certificate is not None else []

    @property
    def ending(self) -> ConnectionTerminated | None:
        """
        How the connection is being closed, by whichever side.
        """
        return self._close_event

    @property
    def is_ended_by_us(self) -> bool:
        """
        Whether it is this side that closes the connection.
        """
        return self._close_pending or self._state is QuicConnectionState.CLOSING

    @property
    def is_open(self) -> bool:
        """
        Whether the stream can be written to.
        """
        return STREAM in self._streams

    def open(self) -> None:
        """
        Open the stream, so that the other side may write first.
        """
        self._get_or_create_stream_for_send(STREAM).max_stream_data_local_sent = 0

    @property
    def unacknowledged(self) -> int:
        """
        Bytes that were written and are not known to have arrived.
        """
        stream = self._streams.get(STREAM)
        return stream.sender._buffer_stop - stream.sender._buffer_start if stream is not None else 0

    @property
    def all_arrived(self) -> bool:
        """
        Whether the end of what was written has arrived; it must have been
        written.
        """
        stream = self._streams.get(STREAM)
        return stream is None or bool(stream.sender.is_finished)

    def consume(self, size: int) -> bool:
        """
        Bytes were read: as many more may come.

        @return: Whether there is something to be sent now, to say so.
        """
        self._consumed += size
        stream = self._streams.get(STREAM)
        return stream is not None and self._consumed + WINDOW - stream.max_stream_data_local >= WINDOW // 4

    def probe(self) -> None:
        """
        Ask for a sign of life, however much is under way.
        """
        self._probe_pending = True

    def is_forgotten(self, datagram: bytes) -> bool:
        """
        @return: Whether a datagram says that the other side knows nothing of
            the connection any more.
        """
        if len(datagram) < SMALLEST_RESET or datagram[0] & 0x80:
            return False
        if datagram[1 : 1 + CID_LENGTH] in self.names:
            return False
        tokens = [each.stateless_reset_token for each in (self._peer_cid, *self._peer_cid_available)]
        found = datagram[-_TOKEN:]
        return any([compare_digest(found, token) for token in tokens if token])

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: Any) -> None:
        """
        Let the other side send as much as was read (called by aioquic).
        """
        limit = self._local_max_data
        if self._consumed + WINDOW - limit.value >= WINDOW // 4:
            limit.value = self._consumed + WINDOW
        if limit.value != limit.sent:
            frame = builder.start_frame(
                limit.frame_type,
                capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
                handler=self._on_connection_limit_delivery,
                handler_args=(limit,),
            )
            frame.push_uint_var(limit.value)
            limit.sent = limit.value

    def _write_stream_limits(self, builder: QuicPacketBuilder, space: Any, stream: Any) -> None:
        """
        The same for the stream (called by aioquic).
        """
        if stream.receiver.is_finished:
            return
        if self._consumed + WINDOW - stream.max_stream_data_local >= WINDOW // 4:
            stream.max_stream_data_local = self._consumed + WINDOW
        if stream.max_stream_data_local_sent != stream.max_stream_data_local:
            frame = builder.start_frame(
                QuicFrameType.MAX_STREAM_DATA,
                capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
                handler=self._on_max_stream_data_delivery,
                handler_args=(stream,),
            )
            frame.push_uint_var(stream.stream_id)
            frame.push_uint_var(stream.max_stream_data_local)
            stream.max_stream_data_local_sent = stream.max_stream_data_local
