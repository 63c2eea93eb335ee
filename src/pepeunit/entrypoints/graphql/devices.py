"""What devices are told and keep, over GraphQL (spec graphql.md 6, 7)."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.readme import convert_readme
from pepeunit.codecs.rest.json_text import dump
from pepeunit.codecs.rest.repo import TargetVersionModel, target_version_model
from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import require_kind
from pepeunit.domain.ids import UnitId
from pepeunit.domain.messaging.command import CommandKind
from pepeunit.entrypoints.graphql.door import Resolvers
from pepeunit.entrypoints.graphql.filters import DONE, Done
from pepeunit.entrypoints.graphql.uploads import File
from pepeunit.usecases.units.downloads import GetSchema
from pepeunit.usecases.units.env import GetEnv, ResetEnv, SetEnv
from pepeunit.usecases.units.read_units import GetTargetVersion
from pepeunit.usecases.units.send_command import SendCommand
from pepeunit.usecases.units.state_storage import GetStateStorage, SetStateStorage
from pepeunit.usecases.units.tokens import RevokeUnitToken, RotateUnitToken

README_BYTES_MAX: Final = 64 * 1024


@frozen
class DeviceDoor:
    get_env: GetEnv
    set_env: SetEnv
    reset_env: ResetEnv
    get_target_version: GetTargetVersion
    get_schema: GetSchema
    get_state_storage: GetStateStorage
    set_state_storage: SetStateStorage
    send_command: SendCommand
    rotate_token: RotateUnitToken
    revoke_token: RevokeUnitToken

    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="units",
            collection="units",
            queries={
                "getUnitEnv": self.env,
                "getTargetVersion": self.target_version,
                "getUnitCurrentSchema": self.schema,
                "getStateStorage": self.stored_state,
                "getConvertTomlToMd": self.convert,
            },
            mutations={
                "updateUnitEnv": self.save_env,
                "resetUnitEnv": self.forget_env,
                "setStateStorage": self.store_state,
                "sendCommandToInputBaseTopic": self.command,
                "rotateUnitToken": self.rotate,
                "revokeUnitToken": self.revoke,
            },
            enums={"BackendTopicCommand": CommandKind},
        )

    async def env(self, agent: Agent, uuid: UUID) -> str:
        return dump(await self.get_env(agent, UnitId(uuid))).decode()

    async def save_env(self, agent: Agent, uuid: UUID, env_json_str: str) -> Done:
        await self.set_env(agent, UnitId(uuid), env_json_str)
        return DONE

    async def forget_env(self, agent: Agent, uuid: UUID) -> Done:
        await self.reset_env(agent, UnitId(uuid))
        return DONE

    async def target_version(self, agent: Agent, uuid: UUID) -> TargetVersionModel:
        return target_version_model(await self.get_target_version(agent, UnitId(uuid)))

    async def schema(self, agent: Agent, uuid: UUID) -> str:
        return dump(await self.get_schema(agent, UnitId(uuid))).decode()

    async def store_state(self, agent: Agent, uuid: UUID, state: str) -> Done:
        await self.set_state_storage(agent, UnitId(uuid), state)
        return DONE

    async def stored_state(self, agent: Agent, uuid: UUID) -> str:
        return await self.get_state_storage(agent, UnitId(uuid))

    async def command(self, agent: Agent, uuid: UUID, command: CommandKind) -> Done:
        await self.send_command(agent, UnitId(uuid), command)
        return DONE

    async def rotate(self, agent: Agent, uuid: UUID) -> Done:
        await self.rotate_token(agent, UnitId(uuid))
        return DONE

    async def revoke(self, agent: Agent, uuid: UUID) -> Done:
        await self.revoke_token(agent, UnitId(uuid))
        return DONE

    async def convert(self, agent: Agent, file: File) -> str:
        require_kind(agent, AgentKind.USER)
        return convert_readme(file.content(README_BYTES_MAX))
