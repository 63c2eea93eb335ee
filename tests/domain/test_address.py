"""Which hosts may be called (spec access.md W15)."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.domain.errors import Invalid, Topic
from pepeunit.domain.registries.address import (
    HostRule,
    is_public,
    repository_address,
    web_address,
)

INNER = ["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]


@pytest.mark.parametrize(
    "url",
    [
        "git@host:group/name.git",
        "ssh://host/group/name.git",
        "file:///etc/name.git",
        "ext::sh -c id .git",
        "HTTPS://host/a.git",
        "https://host/group/name",
        "https://host/.git",
        "https://host/a.git?x=.git",
        "https://host/a.git#.git",
        "https://host/a.git#",
        "https:///a.git",
        "https://ho st/a.git",
        "https://host/a\n.git",
        "https://host\\@inner/a.git",
        "https://host:0/a.git",
        "https://host:/a.git",
        "https://host:99999/a.git",
        "https://-oProxy/a.git",
        "https://[fe80::1%25eth0]/a.git",
        "https://[nonsense]/a.git",
        "https://host/../a.git",
        "https://host//a.git",
        "https://host/" + "a" * 3000 + ".git",
        "",
    ],
)
def test_a_repository_url_of_any_other_form_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        repository_address(url)
    assert refused.value.topic is Topic.REGISTRY


@pytest.mark.parametrize("url", ["https://user:secret@host/a.git", "https://@host/a.git"])
def test_w15_credentials_in_a_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        repository_address(url)
    assert refused.value.topic is Topic.REGISTRY
    assert "secret" not in str(refused.value)


def test_a_repository_url_is_taken_apart() -> None:
    address = repository_address("https://Git.Example.org:8443/group/user.github.io.git")
    assert (address.scheme, address.host, address.port) == ("https", "git.example.org", 8443)
    assert address.target == "/group/user.github.io.git"
    assert web_address("https://[2001:db8::1]/a?b=c").url == "https://[2001:db8::1]:443/a?b=c"


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "169.254.169.254",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "not an address",
    ],
)
def test_w15_an_address_outside_the_open_internet_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_an_address_of_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


@given(st.sampled_from(INNER), st.integers(min_value=0))
def test_w15_no_wrapping_makes_an_inner_address_public(network: str, number: int) -> None:
    inner = ip_network(network)
    v4 = IPv4Address(int(inner.network_address) + number % inner.num_addresses)
    plain = f"{int(v4):08x}"
    high, low = plain[:4], plain[4:]
    forms = [str(v4), f"::ffff:{v4}", f"64:ff9b::{high}:{low}", f"2002:{high}:{low}::1"]
    assert not any(is_public(form) for form in forms)


def test_w15_one_inner_address_among_many_refuses_the_host() -> None:
    address = repository_address("https://host/a.git")
    HostRule().check(address, ["1.1.1.1", "2606:4700::1111"], Topic.GIT)
    with pytest.raises(Invalid) as refused:
        HostRule().check(address, ["1.1.1.1", "10.0.0.7"], Topic.GIT)
    assert refused.value.topic is Topic.GIT
    assert "10.0.0.7" not in str(refused.value)


def test_rulings_24_http_is_only_for_listed_hosts() -> None:
    plain = repository_address("http://host/a.git")
    with pytest.raises(Invalid):
        HostRule().check(plain, ["1.1.1.1"], Topic.GIT)
    HostRule.of("host").check(plain, ["1.1.1.1"], Topic.GIT)


def test_the_list_vouches_for_a_host_or_one_port_of_it() -> None:
    rule = HostRule.of(" git.local , 127.0.0.1:8080,[::1]:9000,[fd00::5] ")
    assert rule.lists(repository_address("http://GIT.local./a.git"))
    assert rule.lists(repository_address("http://127.0.0.1:8080/a.git"))
    assert not rule.lists(repository_address("http://127.0.0.1:8081/a.git"))
    assert not rule.lists(repository_address("http://evil-git.local/a.git"))
    assert rule.lists(repository_address("http://[::1]:9000/a.git"))
    assert rule.lists(repository_address("http://[fd00::5]:1/a.git"))


def test_every_wrong_entry_of_the_list_is_named() -> None:
    with pytest.raises(Invalid) as refused:
        HostRule.of("good,http://bad,worse:port,ok:1,[::1]:x")
    assert [path for path, _ in refused.value.violations] == ["http://bad", "worse:port", "[::1]:x"]
