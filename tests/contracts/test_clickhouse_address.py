"""Which address of ClickHouse is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepeunit.adapters.clickhouse.connections import Address
from pepeunit.entrypoints.setting_values import clickhouse_url
from pepeunit.entrypoints.settings import Settings

SECRETS = {
    "PU_SECRET_KEY": "k" * 32,
    "PU_ENCRYPT_KEY": "A" * 43 + "=",
    "PU_STATIC_SALT": "salt",
}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://h:8123/d", "http://h:8123/d"),
        ("https://u:p@h/d", "https://u:p@h/d"),
        ("clickhouse+http://u:p@h:8123/d", "http://u:p@h:8123/d"),
        ("clickhouse+https://u:p@h/d", "https://u:p@h/d"),
        ("clickhouse+native://u:p@h:9000/d", "http://u:p@h:8123/d"),
        ("clickhouse+native://u:p@h/d", "http://u:p@h:8123/d"),
        ("clickhouse://u:p%40x@h:9440/d", "https://u:p%40x@h:8443/d"),
        ("clickhouse+native://h/d?secure=true", "https://h:8443/d"),
        ("clickhouse+native://[::1]:9000/d", "http://[::1]:8123/d"),
        ("http://h:8123/d?cluster=main&x=y", "http://h:8123/d?cluster=main"),
        ("chdb:///var/lib/pepeunit/series", "chdb:///var/lib/pepeunit/series"),
    ],
)
def test_the_schemes_of_other_drivers_become_ours(given: str, meant: str) -> None:
    assert clickhouse_url(given) == meant


@pytest.mark.parametrize("given", ["chdb://memory", "chdb:", "http://", "postgresql://h/d", "h"])
def test_what_names_no_store_is_refused_without_being_repeated(given: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        clickhouse_url(given)


def test_the_operator_is_told_that_the_native_protocol_is_not_spoken() -> None:
    def warnings(url: str) -> list[str]:
        return Settings.load({"PU_CLICKHOUSE_URL": url}, SECRETS)[1]

    assert "HTTP interface" in warnings("clickhouse+native://u:p@h:9000/d")[0]
    assert warnings("clickhouse+http://u:p@h:8123/d") == []


def test_an_address_shows_no_password() -> None:
    address = Address.of("http://u:secret@h:8123/d?cluster=main")
    assert "secret" not in repr(address)
    assert (address.url, address.cluster) == ("http://u:secret@h:8123/d", "main")
    assert Address.of("chdb:///a%20b").folder == Path("/a b")
