"""The four commands a unit understands (spec devices.md 11)."""

from __future__ import annotations

import enum
import json
from datetime import datetime

from attrs import frozen

from pepeunit.domain.ids import CommandId, UnitId
from pepeunit.domain.messaging.topic import PIPE_SUFFIX, BaseDirection, base_topic


class CommandKind(enum.Enum):
    """The value is the API's word; :attr:`word` the topic's."""

    UPDATE = "Update"
    ENV_UPDATE = "EnvUpdate"
    SCHEMA_UPDATE = "SchemaUpdate"
    LOG_SYNC = "LogSync"

    @property
    def word(self) -> str:
        return _WORDS[self]


_WORDS = {
    CommandKind.UPDATE: "update",
    CommandKind.ENV_UPDATE: "env_update",
    CommandKind.SCHEMA_UPDATE: "schema_update",
    CommandKind.LOG_SYNC: "log_sync",
}


@frozen
class PendingCommand:
    """A command in the outbox (rulings 22). A newer one of the same kind replaces it.

    ``attempts`` counts how often it was on its way to a connected device.
    """

    uuid: CommandId
    unit_uuid: UnitId
    kind: CommandKind
    payload: str
    create_datetime: datetime
    attempts: int = 0
    retry_datetime: datetime | None = None


@frozen
class Firmware:
    """Where the compiled file of a program is, and its SHA-256 in hexadecimal where known."""

    link: str
    sha256: str | None = None


def command_payload(
    kind: CommandKind, commit: str | None = None, firmware: Firmware | None = None
) -> str:
    """The JSON text; ``commit`` and ``firmware`` travel with ``Update`` alone."""
    document: dict[str, str] = {"COMMAND": kind.value}
    if kind is CommandKind.UPDATE:
        if commit is None:
            raise ValueError("an Update names its commit")
        document["PU_COMMIT_VERSION"] = commit
        if firmware is not None:
            document["COMPILED_FIRMWARE_LINK"] = firmware.link
            if firmware.sha256 is not None:
                document["COMPILED_FIRMWARE_SHA256"] = firmware.sha256
    return json.dumps(document, separators=(",", ":"))


def command_topic(domain: str, unit: UnitId, kind: CommandKind) -> str:
    return base_topic(domain, BaseDirection.INPUT, unit, kind.word + PIPE_SUFFIX)
