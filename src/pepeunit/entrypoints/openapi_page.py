"""The OpenAPI document, made by ``python -m pepeunit.entrypoints.openapi_page``.

Nothing is started: the doors are made without their use cases, because the document is read off
the types of their operations alone.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final, TypeVar, cast

import attrs

from pepeunit import __version__
from pepeunit.codecs.rest.json_text import dump
from pepeunit.domain.units.env import InstanceFacts
from pepeunit.entrypoints.doors import DOORS
from pepeunit.entrypoints.http.absent import AbsentDoor
from pepeunit.entrypoints.http.instance import InstanceDoor
from pepeunit.entrypoints.http.openapi import openapi_document
from pepeunit.entrypoints.http.route import Door
from pepeunit.entrypoints.http.site import Site

D = TypeVar("D")

FACTS: Final = InstanceFacts(
    domain="localhost:8555", is_secure=False, mqtt_host="localhost", mqtt_port=1883
)


def openapi_page() -> str:
    """The document of an instance with default settings, as indented JSON."""
    doors: list[Door] = [unwired(door) for door in (*DOORS, InstanceDoor, AbsentDoor)]
    routes = [route for door in doors for route in door.routes()]
    document = openapi_document(routes, Site(FACTS), __version__)
    return json.dumps(json.loads(dump(document)), indent=2) + "\n"


def unwired(door: type[D]) -> D:
    """The door with nothing behind its operations: good for reading their types."""
    fields = attrs.fields(cast("Any", door))
    return door(**{one.name: None for one in fields if one.default is attrs.NOTHING})


if __name__ == "__main__":
    sys.stdout.write(openapi_page())
