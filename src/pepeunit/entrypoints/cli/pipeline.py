"""The command ``pepeunit pipeline``: the pipes behind an external broker."""

from __future__ import annotations

import argparse
import asyncio

from pepeunit.entrypoints.cli.narrator import Narrator
from pepeunit.entrypoints.cli.operations import chosen_data_dir
from pepeunit.entrypoints.cli.platform import Platform

TEXT = "read from an external broker and run the pipes; a second one on the same directory waits"


async def pipeline(platform: Platform, arguments: argparse.Namespace) -> int:
    """Until it is stopped."""
    data_dir = chosen_data_dir(arguments)
    async with platform.pipelining(data_dir) as address:
        rows = {"broker": address, "data": str(data_dir), "stop": "Ctrl-C"}
        Narrator().closing(f"Pepeunit {platform.version}: the pipeline is up", rows)
        await asyncio.Event().wait()
    return 0
