"""How configs of pipes are written on this instance."""

from __future__ import annotations

from functools import partial
from typing import Final

from pepeunit.codecs.pipe import (
    dump_pipe_json,
    dump_pipe_yaml,
    load_pipe_json,
    read_pipe_document,
)
from pepeunit.domain.pipes.config import DEFAULT_PIPE
from pepeunit.entrypoints.settings import Settings
from pepeunit.usecases.pipes.rules import PipeForms

KIB: Final = 1024


def payload_bytes(settings: Settings) -> int:
    return settings.mqtt.max_payload_kib * KIB


def pipe_forms(payload_bytes_max: int) -> PipeForms:
    """Configs within the broker's limit of payloads."""
    return PipeForms(
        read=_root,
        load=partial(load_pipe_json, payload_bytes_max=payload_bytes_max),
        dump=dump_pipe_json,
        export=dump_pipe_yaml,
        payload_bytes_max=payload_bytes_max,
    )


def _root(content: bytes) -> object:
    return read_pipe_document(content).root


def forms_of(settings: Settings) -> PipeForms:
    return pipe_forms(payload_bytes(settings))


def default_pipe(settings: Settings) -> str | None:
    """What new nodes with the suffix start with, when they do."""
    features = settings.features
    if not features.datapipe_enable or not features.datapipe_default_last_value_enable:
        return None
    return dump_pipe_json(DEFAULT_PIPE)
