"""What the door must know of its installation (rulings 6)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from attrs import frozen

from pepeunit.codecs.rest.requests import PAGE_ROWS_MAX
from pepeunit.domain.units.env import InstanceFacts
from pepeunit.usecases.access.turns import TURN_SECONDS_MAX

Network = IPv4Network | IPv6Network

ADDRESSES_MAX: Final = 4_096
"""So many clients' addresses are remembered as they are written."""


@frozen
class HttpLimits:
    """``page_rows_max`` is ``PU_MAX_PAGINATION_SIZE``; ``unlimited_lists_max`` counts lists
    without limit in flight per client address (rulings 5). Bodies that are or may be larger than
    ``route.SMALL_BODY_BYTES_MAX`` are read ``large_bodies_max`` at a time; the wait for its turn
    counts into the ``body_seconds_max`` of a body. Uploads that are kept on disk have at most
    ``spooled_bytes_max`` (``PU_CSV_BYTES_MAX``) and are taken ``spooled_uploads_max`` at a time,
    each within ``spooled_seconds_max``. Of what is taken so many at a time one account has half,
    and who waits for a turn is refused after ``turn_seconds_max``. Who takes no piece of a long
    answer for ``piece_seconds_max`` is cut off."""

    body_bytes_max: int = 50 * 1024 * 1024
    body_seconds_max: float = 120.0
    large_bodies_max: int = 4
    spooled_bytes_max: int = 64 * 1024 * 1024
    spooled_uploads_max: int = 4
    spooled_seconds_max: float = 900.0
    turn_seconds_max: float = TURN_SECONDS_MAX
    piece_seconds_max: float = 60.0
    page_rows_max: int = PAGE_ROWS_MAX
    unlimited_lists_max: int = 8


@frozen
class Site:
    """``cors_origins`` lists the origins of web pages that may call; none by default."""

    facts: InstanceFacts
    cors_origins: frozenset[str] = frozenset()
    trusted_proxies: tuple[Network, ...] = ()
    limits: HttpLimits = HttpLimits()

    @property
    def app_path(self) -> str:
        return self.facts.app_prefix

    @property
    def api_path(self) -> str:
        return self.facts.app_prefix + self.facts.api_prefix


def client_address(peer: str, forwarded_for: Sequence[str], trusted: tuple[Network, ...]) -> str:
    """The address of who really asks.

    ``forwarded_for`` are the values of ``X-Forwarded-For`` from left to right. They are believed
    from the right as long as the one who wrote them is a trusted proxy.
    """
    if not forwarded_for:
        return _written(peer)
    address = _parsed(peer)
    hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
    while hops and address is not None and any(address in network for network in trusted):
        hop = _parsed(hops.pop())
        if hop is None:
            break
        address = hop
    return peer if address is None else str(address)


@lru_cache(maxsize=ADDRESSES_MAX)
def _written(peer: str) -> str:
    return str(_parsed(peer) or peer)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An IPv4 address that an IPv6 socket wrapped is unwrapped; None for anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
