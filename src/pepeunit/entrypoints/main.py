"""The composition root of the command line: what ``pepeunit`` runs."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from attrs import frozen

from pepeunit import __version__
from pepeunit.adapters.embedded.installation import Installation, InUse
from pepeunit.adapters.postgres.migrations import current_revision, migrate
from pepeunit.entrypoints.backups import backup, restore
from pepeunit.entrypoints.checkup import examine
from pepeunit.entrypoints.cli.accounts import StoredAccounts
from pepeunit.entrypoints.cli.control import serve_control
from pepeunit.entrypoints.cli.main import run
from pepeunit.entrypoints.cli.platform import (
    Accounts,
    Finding,
    Platform,
    ReferenceSecrets,
    Running,
    ServeOptions,
)
from pepeunit.entrypoints.container import UseCases
from pepeunit.entrypoints.importing import import_reference
from pepeunit.entrypoints.lifespan import running
from pepeunit.entrypoints.log_lines import write_log
from pepeunit.entrypoints.parts import (
    database_url,
    load_settings,
    new_secret,
    series_store,
    use_cases,
)
from pepeunit.entrypoints.pipelining import pipelining
from pepeunit.entrypoints.settings import Settings, known_settings
from pepeunit.entrypoints.settings_page import settings_in_effect
from pepeunit.entrypoints.tls import Certificate
from pepeunit.usecases.users.first_admin import ADMIN_LOGIN

log = logging.getLogger(__name__)

TAKE_OVER_LOOK_SECONDS: Final = 0.5


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
        environment = _environment(options)
        if options.is_logging:
            _log(installation, environment)
        async with (
            running(installation, environment) as up,
            serve_control(
                options.data_dir, _accounts(up.use), up.use.copy_series(), up.use.backtest_pipe()
            ),
            _reloading(up.tls),
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


def _log(installation: Installation, environment: Mapping[str, str]) -> None:
    stored = {**installation.keys, **installation.facts}
    settings, _ = Settings.load(environment, stored)
    secrets = [*installation.keys.values()]
    secrets += [environment.get(known.name, "") for known in known_settings() if known.secret]
    write_log(settings.operations.log_format, settings.operations.log_level, secrets)


@asynccontextmanager
async def _reloading(certificate: Certificate | None) -> AsyncIterator[None]:
    """SIGHUP reads the certificate again."""
    loop = asyncio.get_running_loop()
    if certificate is None:
        loop.add_signal_handler(signal.SIGHUP, _nothing_to_reload)
    else:
        loop.add_signal_handler(signal.SIGHUP, certificate.reload)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def _nothing_to_reload() -> None:
    log.info("SIGHUP: no certificate is set, nothing is read again")


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


@asynccontextmanager
async def run_pipeline(data_dir: Path) -> AsyncIterator[str]:
    is_told = False
    while (installation := _opened_if_free(data_dir)) is None:
        if not is_told:
            log.warning("%s is in use: waiting to take over", data_dir)
        is_told = True
        await asyncio.sleep(TAKE_OVER_LOOK_SECONDS)
    try:
        _log(installation, os.environ)
        async with pipelining(installation, os.environ) as address:
            yield address
    finally:
        installation.close()


def _opened_if_free(data_dir: Path) -> Installation | None:
    try:
        return Installation.open(data_dir)
    except InUse:
        return None


async def bring_up_to_date(data_dir: Path) -> str:
    with _installation(data_dir) as installation:
        settings, _, _ = load_settings(installation, os.environ)
        async with series_store(settings, installation):
            pass
        async with database_url(settings, installation) as url:
            await migrate(url)
            return str(await current_revision(url))


@asynccontextmanager
async def open_accounts(data_dir: Path) -> AsyncIterator[Accounts]:
    Installation.look(data_dir)  # a mistyped directory becomes no installation of its own
    with _installation(data_dir) as installation:
        settings, facts, _ = load_settings(installation, os.environ)
        async with use_cases(settings, facts, installation) as use:
            yield _accounts(use)


def config(data_dir: Path) -> str:
    settings, _, warnings = load_settings(
        Installation.look(data_dir), {**os.environ, "PU_DATA_DIR": str(data_dir)}
    )
    return "\n".join([settings_in_effect(settings), *warnings])


@frozen
class StoredOperations:
    """Implements :class:`~pepeunit.entrypoints.cli.platform.Operations`."""

    def examine(self, data_dir: Path) -> AsyncIterator[Finding]:
        return examine(data_dir)

    async def backup(
        self, data_dir: Path, file: Path, *, with_keys: bool, with_mirrors: bool
    ) -> Sequence[str]:
        return await backup(data_dir, file, with_keys=with_keys, with_mirrors=with_mirrors)

    async def restore(self, data_dir: Path, file: Path, keys: Path | None) -> Sequence[str]:
        return await restore(data_dir, file, keys)

    async def import_reference(
        self, data_dir: Path, database_url: str, secrets: ReferenceSecrets, *, is_dry_run: bool
    ) -> Sequence[str]:
        return await import_reference(data_dir, database_url, secrets, is_dry_run=is_dry_run)


def main() -> None:
    platform = Platform(
        __version__,
        serve,
        bring_up_to_date,
        open_accounts,
        config,
        StoredOperations(),
        run_pipeline,
    )
    sys.exit(run(sys.argv[1:], platform))


if __name__ == "__main__":
    main()
