"""The numbers of the MQTT endpoint (spec access.md 6.4)."""

from __future__ import annotations

from typing import Final

from attrs import frozen

KIB: Final = 1024
MIB: Final = 1024 * KIB


@frozen
class Limits:
    """What one endpoint and one client may take. A rate of 0 is off.

    Rates and sizes are for devices; agents of the platform itself are exempt from the message
    and byte rates (rulings 30).
    """

    clients_max: int = 10_000
    connects_per_second: float = 20.0
    connect_seconds: float = 15.0
    """From the first byte allowed to the end of CONNECT; also the longest wait for a turn."""
    client_id_length_max: int = 512
    keepalive_factor: float = 1.5
    sweep_seconds: float = 1.0
    """How often keepalive, expiry and delayed wills are looked at: their resolution."""

    packet_bytes_max: int = 256 * KIB
    topic_levels_max: int = 5
    topic_alias_max: int = 128
    subscriptions_max: int = 1_000
    verdicts_max: int = 1_000
    """Cached publish verdicts of one session."""

    messages_per_second: float = 30.0
    bytes_per_second: float = float(MIB)
    pause_seconds_max: float = 300.0
    """The longest pause for what one read brought over the rates."""
    receive_max: int = 1_000
    """QoS 1 and 2 messages of one client that wait for storage; MQTT 5's Receive Maximum."""
    unreleased_max: int = 100
    """QoS 2 messages of one client between PUBREC and PUBREL."""
    unreleased_seconds: float = 300.0

    buffer_messages_max: int = 100_000
    """Messages of all clients that wait for storage: beyond it QoS 0 drops, QoS 1 holds."""
    buffer_bytes_max: int = 64 * MIB
    crowded_seconds: float = 0.002
    """A pause between two reads of one client while the buffer is half full."""

    inflight_max: int = 32
    queue_messages_max: int = 128
    queue_bytes_max: int = 2 * MIB
    write_buffer_bytes: int = 256 * KIB
    send_seconds: float = 15.0
    """How long a client may refuse to read before it is cut off."""

    session_expiry_seconds: int = 2 * 60 * 60
    stored_sessions_max: int = 10_000
    stored_sessions_per_subject_max: int = 4
    will_delay_seconds_max: int = 2 * 60 * 60

    stop_seconds: float = 2.0
    backlog: int = 1_024
