"""A small life on the reference platform, in a database of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import jwt
from attrs import define, field
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pepeunit.adapters.embedded.postgres import EmbeddedPostgres
from pepeunit.adapters.reference.installation import _plain

PASSWORD = "Correct-horse1"
MADE = datetime(2025, 3, 1, 12, 30)  # noqa: DTZ001  the reference stores UTC without a zone


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@define
class Reference:
    """Its keys, its rows by name, and the env.json a device got from it."""

    server: EmbeddedPostgres
    domain: str
    repository_url: str
    commit: str
    secret_key: str = field(factory=new_key)
    encrypt_key: str = field(factory=new_key)
    static_salt: str = field(factory=new_key)
    device_env: dict[str, Any] = field(factory=dict)
    ids: dict[str, UUID] = field(factory=dict)

    @property
    def secrets(self) -> dict[str, str]:
        return {
            "PU_SECRET_KEY": self.secret_key,
            "PU_ENCRYPT_KEY": self.encrypt_key,
            "PU_STATIC_SALT": self.static_salt,
            "REFERENCE_DATABASE_URL": self.server.url,
            "PU_DOMAIN": self.domain,
        }

    def id(self, name: str) -> UUID:
        return self.ids.setdefault(name, uuid4())

    def seal(self, text: str) -> str:
        nonce = os.urandom(12)
        sealed = AESGCM(base64.b64decode(self.encrypt_key)).encrypt(nonce, text.encode(), None)
        return f"{base64.b64encode(nonce).decode()}.{base64.b64encode(sealed).decode()}"

    def unit_token(self, unit: str) -> str:
        return jwt.encode({"uuid": str(self.id(unit)), "type": "Unit"}, self.secret_key, "HS256")

    async def connect(self) -> Any:
        return await asyncpg.connect(_plain(self.server.url))

    async def fill(self) -> None:
        db = await self.connect()
        try:
            await db.execute(Path(__file__).with_name("reference.sql").read_text())
            await self._people(db)
            await self._programs(db)
            await self._things(db)
        finally:
            await db.close()

    async def add(self, db: Any, table: str, **row: Any) -> None:
        names = ", ".join(row)
        places = ", ".join(f"${number + 1}" for number in range(len(row)))
        await db.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *row.values())  # noqa: S608

    async def _people(self, db: Any) -> None:
        for login, role in (("alice", "Admin"), ("bob", "User"), ("Bob", "User")):
            random_part = base64.b64encode(os.urandom(16)).decode()
            salt = (random_part + self.static_salt).encode()
            hashed = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, 100_000, 32)
            await self.add(
                db,
                "users",
                uuid=self.id(login),
                role=role,
                status="Unverified",
                login=login,
                hashed_password=base64.b64encode(hashed).decode(),
                cipher_dynamic_salt=self.seal(random_part),
                grafana_org_name=uuid4(),
                create_datetime=MADE,
            )

    async def _programs(self, db: Any) -> None:
        slots = {
            str(self.id(login)): {
                "credentials": {"username": login, "pat_token": f"glpat-{login}-0123456789"},
                "status": status,
            }
            for login, status in (("alice", "Valid"), ("bob", "Error"))
        }
        for name, url, public, sealed in (
            ("registry", self.repository_url, True, None),
            ("private", "https://forge.example/p.git", False, self.seal(json.dumps(slots))),
        ):
            await self.add(
                db,
                "repository_registry",
                uuid=self.id(name),
                platform="Gitlab",
                repository_url=url,
                is_public_repository=public,
                cipher_credentials_private_repository=sealed,
                sync_status="Updated",
                create_datetime=MADE,
                last_update_datetime=MADE,
                creator_uuid=self.id("alice"),
            )
        await self.add(
            db,
            "repos",
            uuid=self.id("repo"),
            visibility_level="Private",
            name="blinker",
            create_datetime=MADE,
            default_branch="main",
            is_auto_update_repo=True,
            is_only_tag_update=False,
            is_compilable_repo=False,
            last_update_datetime=MADE,
            creator_uuid=self.id("alice"),
            repository_registry_uuid=self.id("registry"),
        )

    async def _things(self, db: Any) -> None:
        self.device_env = {
            "PU_DOMAIN": self.domain,
            "PU_MQTT_HOST": "emqx",
            "PU_AUTH_TOKEN": self.unit_token("lamp"),
            "PU_SECRET_KEY": new_key(),
            "PU_ENCRYPT_KEY": new_key(),
            "PU_MIN_LOG_LEVEL": "Error",
            "PU_COMMIT_VERSION": self.commit,
            "MEASURE_SECONDS": 7,
        }
        for name, env in (("lamp", self.device_env), ("shelf", None)):
            await self.add(
                db,
                "units",
                uuid=self.id(name),
                visibility_level="Private",
                name=name,
                create_datetime=MADE,
                is_auto_update_from_repo_unit=True,
                unit_state=json.dumps({"millis": 5, "pu_commit_version": self.commit}),
                current_commit_version=self.commit,
                last_update_datetime=MADE,
                cipher_env_dict=env and self.seal(json.dumps(env)),
                cipher_state_storage=env and self.seal("what the lamp kept"),
                creator_uuid=self.id("alice"),
                repo_uuid=self.id("repo"),
            )
            for kind, topic in (("Input", "set_point"), ("Output", "temperature")):
                await self.add(
                    db,
                    "units_nodes",
                    uuid=self.id(f"{name} {topic}"),
                    type=kind,
                    visibility_level="Private",
                    max_connections=10,
                    topic_name=f"{topic}/pepeunit",
                    last_update_datetime=MADE,
                    create_datetime=MADE,
                    state="21.5",
                    unit_uuid=self.id(name),
                    creator_uuid=self.id("alice"),
                )
        await self.add(
            db,
            "units_nodes_edges",
            uuid=uuid4(),
            node_output_uuid=self.id("lamp temperature"),
            node_input_uuid=self.id("shelf set_point"),
            creator_uuid=self.id("alice"),
        )
        for agent, agent_type, resource, resource_type in (
            ("alice", "User", "lamp", "Unit"),
            ("bob", "User", "lamp", "Unit"),
            ("lamp", "Unit", "shelf set_point", "UnitNode"),  # follows from the edge
            ("nobody", "User", "lamp", "Unit"),
        ):
            await self.add(
                db,
                "permissions",
                uuid=uuid4(),
                agent_uuid=self.id(agent),
                agent_type=agent_type,
                resource_uuid=self.id(resource),
                resource_type=resource_type,
            )
