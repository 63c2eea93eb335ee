"""The composition root of the command line: what ``pepeunit`` runs."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from pepeunit import __version__
from pepeunit.adapters.embedded.installation import Installation
from pepeunit.adapters.postgres.migrations import current_revision, migrate
from pepeunit.entrypoints.cli.accounts import StoredAccounts
from pepeunit.entrypoints.cli.control import serve_control
from pepeunit.entrypoints.cli.main import run
from pepeunit.entrypoints.cli.platform import Accounts, Platform, Running, ServeOptions
from pepeunit.entrypoints.container import UseCases
from pepeunit.entrypoints.lifespan import running
from pepeunit.entrypoints.parts import database_url, load_settings, new_secret, use_cases
from pepeunit.entrypoints.settings_page import settings_in_effect
from pepeunit.usecases.users.first_admin import ADMIN_LOGIN


@contextmanager
def _installation(data_dir: Path) -> Iterator[Installation]:
    installation = Installation.open(data_dir)
    try:
        yield installation
    finally:
        installation.close()


def _environment(options: ServeOptions) -> Mapping[str, str]:
    """The environment with the command line's choices on top."""
    chosen = {
        "PU_HTTP_HOST": options.host,
        "PU_HTTP_PORT": options.http_port,
        "PU_MQTT_PORT": options.mqtt_port,
        **options.settings,
    }
    return {**os.environ, **{name: str(v) for name, v in chosen.items() if v is not None}}


@asynccontextmanager
async def serve(options: ServeOptions) -> AsyncIterator[Running]:
    with _installation(options.data_dir) as installation:
        async with (
            running(installation, _environment(options)) as up,
            serve_control(options.data_dir, _accounts(up.use)),
        ):
            base_url = up.base_url + up.facts.app_prefix
            yield Running(
                base_url=base_url,
                api_url=base_url + up.facts.api_prefix,
                mqtt_host=up.local_host,
                mqtt_port=up.facts.mqtt_port,
                login=ADMIN_LOGIN if up.one_time_password else None,
                one_time_password=up.one_time_password,
            )


def _accounts(use: UseCases) -> StoredAccounts:
    return StoredAccounts(
        use.sign_up(),
        use.reset_password(),
        use.list_users(),
        use.change_role(),
        use.block_user(),
        use.unblock_user(),
        use.delete_user(),
        use.record_acts(),
        new_secret,
    )


async def bring_up_to_date(data_dir: Path) -> str:
    with _installation(data_dir) as installation:
        settings, _, _ = load_settings(installation, os.environ)
        async with database_url(settings, installation) as url:
            await migrate(url)
            return str(await current_revision(url))


@asynccontextmanager
async def open_accounts(data_dir: Path) -> AsyncIterator[Accounts]:
    with _installation(data_dir) as installation:
        settings, facts, _ = load_settings(installation, os.environ)
        async with use_cases(settings, facts, installation) as use:
            yield _accounts(use)


def config(data_dir: Path) -> str:
    settings, _, warnings = load_settings(Installation.look(data_dir), os.environ)
    return "\n".join([settings_in_effect(settings), *warnings])


def main() -> None:
    platform = Platform(__version__, serve, bring_up_to_date, open_accounts, config)
    sys.exit(run(sys.argv[1:], platform))


if __name__ == "__main__":
    main()
