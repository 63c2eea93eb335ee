"""Open the doors on the use cases: each door names what it needs by type, this fills it in."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, TypeVar

import attrs
from aiohttp import web

from pepeunit import __version__
from pepeunit.domain.units.env import InstanceFacts
from pepeunit.entrypoints.container import KIB, UseCases
from pepeunit.entrypoints.devices.endpoint import Endpoint
from pepeunit.entrypoints.devices.limits import Limits
from pepeunit.entrypoints.devices.platform import Platform
from pepeunit.entrypoints.http.app import make_app, make_runner
from pepeunit.entrypoints.http.devices import DeviceDoor
from pepeunit.entrypoints.http.nodes import NodeDoor
from pepeunit.entrypoints.http.registries import RegistryDoor
from pepeunit.entrypoints.http.repos import RepoDoor
from pepeunit.entrypoints.http.site import HttpLimits, Site
from pepeunit.entrypoints.http.units import UnitDoor
from pepeunit.entrypoints.http.users import UserDoor
from pepeunit.entrypoints.settings import Settings

D = TypeVar("D")


def filled(use: UseCases, door: type[D], **given: Any) -> D:
    """The door with a use case for each of its fields, found by the field's type."""
    by_type = {provider.cls: provider for provider in use.providers.values() if hasattr(provider, "cls")}
    fields = attrs.fields(attrs.resolve_types(door))
    found = {one.name: by_type[one.type]() for one in fields if one.name not in given}
    return door(**found, **given)
