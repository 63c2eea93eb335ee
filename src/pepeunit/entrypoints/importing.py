"""``pepeunit import-reference``: the composition of the import (issue 3 part 6)."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pepeunit.adapters.crypto.cipher import AesGcmCipher
from pepeunit.adapters.embedded.installation import Installation
from pepeunit.adapters.reference.installation import ReferencePostgres
from pepeunit.domain.errors import Invalid, Topic
from pepeunit.entrypoints.cli.platform import ReferenceSecrets
from pepeunit.entrypoints.container import UseCases
from pepeunit.entrypoints.parts import DOMAIN_FACT, load_settings, new_secret, use_cases
from pepeunit.entrypoints.setting_values import encrypt_key
from pepeunit.usecases.instance.import_reference import ImportReference
from pepeunit.usecases.instance.import_report import Report

REASONS_SHOWN_MAX: Final = 100


async def import_reference(
    data_dir: Path, database_url: str, secrets: ReferenceSecrets, *, is_dry_run: bool
) -> Sequence[str]:
    """Read the reference's database, then store everything in one transaction of ours.

    The installation takes over the reference's keys and domain: it must be empty, or have them
    already. A dry run on a data directory that does not exist yet uses a temporary one.
    Raises ``Invalid`` and ``Unavailable`` with what to do.
    """
    keys = _keys(secrets)
    rows = await ReferencePostgres(database_url).read()
    with tempfile.TemporaryDirectory() as spare:
        is_temporary = is_dry_run and not (data_dir / "keys.json").exists()
        installation = Installation.open(Path(spare, "new") if is_temporary else data_dir)
        try:
            domain = secrets.domain or installation.facts.get(DOMAIN_FACT)
            if not domain:
                raise Invalid(
                    [("--domain", "is needed: the PU_DOMAIN that the devices have")],
                    Topic.PLATFORM,
                )
            environment = {**os.environ, **keys, DOMAIN_FACT: domain}
            told = Installation(Path(spare), installation.keys, dict(installation.facts), None)
            settings, facts, _ = load_settings(told, environment)
            async with use_cases(settings, facts, installation) as use:
                await _refuse_other_keys(use, installation, keys)
                if not is_dry_run:
                    # before the rows: keys without rows harm nobody, rows without keys are lost
                    installation.adopt(keys)
                    installation.change(DOMAIN_FACT, domain)
                importing = ImportReference(
                    database=use.database(),
                    vault=use.vault(),
                    keyring=use.keyring(),
                    reference_cipher=AesGcmCipher({"reference": settings.keys.encrypt_key}),
                    new_secret=new_secret,
                )
                report = await importing(rows, is_dry_run=is_dry_run)
        finally:
            installation.close()
    return _told(report, domain, is_dry_run=is_dry_run)


def _keys(secrets: ReferenceSecrets) -> Mapping[str, str]:
    try:
        encrypt_key(secrets.encrypt_key)
    except ValueError as error:
        raise Invalid([("PU_ENCRYPT_KEY", str(error))], Topic.PLATFORM) from None
    return {
        "PU_SECRET_KEY": secrets.secret_key,
        "PU_ENCRYPT_KEY": secrets.encrypt_key,
        "PU_STATIC_SALT": secrets.static_salt,
    }


async def _refuse_other_keys(
    use: UseCases, installation: Installation, keys: Mapping[str, str]
) -> None:
    if all(installation.keys.get(name) == key for name, key in keys.items()):
        return
    async with use.database().read() as rows:
        if await rows.users.count():
            raise Invalid(
                [
                    (
                        "--data-dir",
                        "holds an installation with other keys and its own people: import into "
                        "an empty data directory, before the first pepeunit serve",
                    )
                ],
                Topic.PLATFORM,
            )


def _told(report: Report, domain: str, *, is_dry_run: bool) -> Sequence[str]:
    counts = [f"{count:>8} {kind}" for kind, count in report.imported.items() if count]
    reasons = Counter((row.kind, row.reason) for row in report.skipped)
    shown = report.skipped[:REASONS_SHOWN_MAX]
    more = len(report.skipped) - len(shown)
    return [
        "would import:" if is_dry_run else "imported:",
        *(counts or ["       0 rows"]),
        *(["skipped:"] if report.skipped else []),
        *(f"{count:>8} {kind}: {reason}" for (kind, reason), count in reasons.items()),
        *(f"         {row.kind} {row.name}: {row.reason}" for row in shown),
        *([f"         and {more} more"] if more else []),
        f"domain {domain}; devices find this platform when that name leads here",
    ]
