"""What devices fetch and are told, and the broker's question about them (spec rest.md 8.4, 8.8)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from pepeunit.codecs.rest.repo import TargetVersionModel, target_version_model
from pepeunit.codecs.rest.strict import JsonText, Secret
from pepeunit.codecs.rest.unit import VerdictModel
from pepeunit.domain.access.agent import Agent
from pepeunit.domain.errors import Unavailable
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.entrypoints.http.route import SMALL_BODY_BYTES_MAX, File, Route, Stream
from pepeunit.ports.archives import ArchiveFormat
from pepeunit.usecases.messages.authorize_topic import AnswerBroker, MqttAction
from pepeunit.usecases.units.downloads import GetArchive, GetSchema
from pepeunit.usecases.units.env import GetEnv, ResetEnv, SetEnv
from pepeunit.usecases.units.firmware import GetFirmware
from pepeunit.usecases.units.read_units import GetTargetVersion
from pepeunit.usecases.units.send_command import SendCommand
from pepeunit.usecases.units.state_storage import GetStateStorage, SetStateStorage

log = logging.getLogger(__name__)

ZIP = "application/zip"
TAR = "application/x-tar"
BINARY = "application/octet-stream"


@frozen
class DevicePath:
    uuid: UnitId


@frozen
class EnvBody:
    """A JSON object as text."""

    env_json_string: Secret


@frozen
class StoredState:
    """An empty text clears the storage; an object or array is stored as its compact text."""

    state: JsonText


@frozen
class CommandChoice:
    command: CommandKind


@frozen
class Compression:
    """``wbits`` is -15..-9, 9..15 or 25..31; ``level`` is -1..9."""

    wbits: int = 9
    level: int = 9


@frozen
class BrokerQuestion:
    """``action`` is ``publish`` or ``subscribe`` where the broker tells it."""

    token: Secret
    topic: str
    action: MqttAction | None = None


@frozen
class DeviceDoor:
    get_env: GetEnv
    set_env: SetEnv
    reset_env: ResetEnv
    get_target_version: GetTargetVersion
    get_schema: GetSchema
    get_archive: GetArchive
    get_firmware: GetFirmware
    get_state_storage: GetStateStorage
    set_state_storage: SetStateStorage
    send_command: SendCommand
    answer_broker: AnswerBroker

    def routes(self) -> Sequence[Route]:
        return (
            Route.of("GET", "/units/env/{uuid}", self.env),
            Route.of("PATCH", "/units/env/{uuid}", self.save_env),
            Route.of("DELETE", "/units/env/{uuid}", self.forget_env),
            Route.of("GET", "/units/get_target_version/{uuid}", self.target_version),
            Route.of("GET", "/units/get_current_schema/{uuid}", self.schema),
            Route.of("GET", "/units/firmware/zip/{uuid}", self.zip, media_type=ZIP),
            Route.of("GET", "/units/firmware/tar/{uuid}", self.tar, media_type=TAR),
            Route.of("GET", "/units/firmware/tgz/{uuid}", self.tgz, media_type=TAR),
            Route.of("GET", "/units/firmware_asset/{uuid}", self.firmware, media_type=BINARY),
            Route.of("POST", "/units/set_state_storage/{uuid}", self.store_state),
            Route.of("GET", "/units/get_state_storage/{uuid}", self.stored_state),
            Route.of("POST", "/units/send_command_to_input_base_topic/{uuid}", self.command),
            Route.of(
                "POST",
                "/units/auth",
                self.answer,
                reads_token=False,
                body_bytes_max=SMALL_BODY_BYTES_MAX,
                changes=False,
            ),
        )

    async def env(self, agent: Agent, path: DevicePath) -> dict[str, Any]:
        """env.json, with token and keys; for the creator and the unit itself."""
        return await self.get_env(agent, path.uuid)

    async def save_env(self, agent: Agent, path: DevicePath, body: EnvBody) -> None:
        """Store one's own values of env.json; the device is told by ``EnvUpdate``."""
        await self.set_env(agent, path.uuid, body.env_json_string)

    async def forget_env(self, agent: Agent, path: DevicePath) -> None:
        """Back to generated values."""
        await self.reset_env(agent, path.uuid)

    async def target_version(self, agent: Agent, path: DevicePath) -> TargetVersionModel:
        """The version the unit should run, computed now."""
        return target_version_model(await self.get_target_version(agent, path.uuid))

    async def schema(self, agent: Agent, path: DevicePath) -> dict[str, Any]:
        """schema.json: ``{destination: {topic: [full topic, ...]}}``."""
        return await self.get_schema(agent, path.uuid)

    async def zip(self, agent: Agent, path: DevicePath) -> File:
        """The program as a deflated zip."""
        return await self._archive(agent, path, ArchiveFormat.ZIP, ZIP)

    async def tar(self, agent: Agent, path: DevicePath) -> File:
        """The program as a tar, every name starting with ``./``."""
        return await self._archive(agent, path, ArchiveFormat.TAR, TAR)

    async def tgz(self, agent: Agent, path: DevicePath, query: Compression) -> File:
        """The same tar through zlib; devices ask for a window of 9 bits."""
        return await self._archive(agent, path, ArchiveFormat.TGZ, TAR, query)

    async def _archive(
        self,
        agent: Agent,
        path: DevicePath,
        form: ArchiveFormat,
        media_type: str,
        compression: Compression = Compression(),
    ) -> File:
        archive = await self.get_archive(
            agent, path.uuid, form, wbits=compression.wbits, level=compression.level
        )
        return File(archive.body, media_type, archive.etag)

    async def firmware(self, agent: Agent, path: DevicePath) -> Stream:
        """The compiled file of the unit's built version and platform.

        ``Repr-Digest`` carries the SHA-256 that the ``Update`` named.
        """
        found = await self.get_firmware(agent, path.uuid)
        return Stream(found.pieces, found.file.size_bytes, BINARY, found.file.sha256)

    async def store_state(self, agent: Agent, path: DevicePath, body: StoredState) -> None:
        """Keep a text for the device."""
        await self.set_state_storage(agent, path.uuid, body.state)

    async def stored_state(self, agent: Agent, path: DevicePath) -> str:
        """The kept text as a JSON string, empty when there is none."""
        return await self.get_state_storage(agent, path.uuid)

    async def command(self, agent: Agent, path: DevicePath, query: CommandChoice) -> None:
        """Send the unit a command; a device that is away gets it when it is back."""
        await self.send_command(agent, path.uuid, query.command)

    async def answer(self, agent: Agent, body: BrokerQuestion) -> VerdictModel:
        """Whether the token in ``token`` may use the topic; for an external broker."""
        try:
            is_allowed = await self.answer_broker(body.token, body.topic, body.action)
        except Unavailable as unavailable:
            log.warning("a broker was denied a topic: %s", unavailable)
            is_allowed = False
        return VerdictModel("allow" if is_allowed else "deny")
