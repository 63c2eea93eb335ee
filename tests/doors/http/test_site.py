"""Whose address counts behind proxies."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from pepeunit.entrypoints.http.site import client_address

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["9.9.9.9"], "192.0.2.1"),
        ("10.0.0.1", ["9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", ["1.1.1.1, 9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", ["1.1.1.1, 9.9.9.9, 10.0.0.2"], "9.9.9.9"),
        ("10.0.0.1", ["1.1.1.1", "9.9.9.9", "fd00::2"], "9.9.9.9"),
        ("10.0.0.1", ["1.1.1.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("::ffff:10.0.0.1", ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:192.0.2.1", ["9.9.9.9"], "192.0.2.1"),
        ("", ["9.9.9.9"], ""),
    ],
)
def test_w31_only_what_trusted_proxies_wrote_is_believed(peer, forwarded, address):
    assert client_address(peer, forwarded, PROXIES) == address
