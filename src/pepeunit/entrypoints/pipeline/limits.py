"""The numbers of the inbox of an external broker (rulings 30)."""

from __future__ import annotations

from typing import Final

from attrs import frozen

KIB: Final = 1024
MIB: Final = 1024 * KIB
HOUR: Final = 3_600


@frozen
class InboxLimits:
    """What the inbox asks of the broker, and what it holds."""

    receive_max: int = 65_535
    """Unacknowledged messages; said explicitly, or mosquitto keeps to its own 20."""
    session_expiry_seconds: int = 24 * HOUR
    """How long the broker keeps what is published while nobody reads."""
    packet_bytes_max: int = 256 * KIB
    gather_seconds: float = 0.01
    """Messages of this long become one record of the journal."""
    held_bytes_max: int = 32 * MIB
    """Of messages that wait for the journal: beyond it nothing is read."""
    message_bytes: int = 120
    """About what a message takes in memory besides its payload."""
    topics_max: int = 200_000
    """Topics whose node is remembered."""
    remembered_max: int = 32_768
    """Stored messages whose acknowledgement the broker may not have had: sent again, they are
    acknowledged and not stored again. Below the 65 535 packet identifiers, which come round."""
    remembered_bytes_max: int = 16 * MIB
    remembered_seconds: int = 10
    """Before the newest of them: an acknowledgement does not take so long."""
    recalled_seconds_max: int = HOUR
    """Older ones, of a journal that was put back for instance, are not remembered at a start."""
    connect_seconds: float = 10.0
    """To a connection, to the answer to CONNECT, and to the one to SUBSCRIBE."""
    silence_factor: float = 1.5
    """Of the keepalive: a broker that says nothing for so long is gone."""
    retry_seconds_min: float = 0.5
    retry_seconds_max: float = 30.0
    store_retry_seconds: float = 0.5
    stop_seconds: float = 2.0
