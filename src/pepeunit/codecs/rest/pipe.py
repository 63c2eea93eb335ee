"""Read models of pipes and of what they keep (spec rest.md 6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.json_text import naive_utc
from pepeunit.domain.pipes.config import AggregationFunction, InputType, PolicyType, Stage
from pepeunit.domain.pipes.drops import REASONS
from pepeunit.domain.pipes.moments import from_ms
from pepeunit.domain.pipes.rows import NewestValue, StoredRow
from pepeunit.domain.pipes.validation import Violation


@frozen
class PipeErrorModel:
    """``message`` names the path of the value."""

    stage: Stage
    message: str


@frozen
class NRecordModel:
    unit_node_uuid: UUID
    state: str
    state_type: InputType
    create_datetime: datetime
    max_count: int
    size: int


@frozen
class TimeWindowModel:
    unit_node_uuid: UUID
    state: str
    state_type: InputType
    create_datetime: datetime
    expiration_datetime: datetime
    size: int


@frozen
class AggregationModel:
    unit_node_uuid: UUID
    state: float
    aggregation_type: AggregationFunction
    time_window_size: int
    create_datetime: datetime
    start_window_datetime: datetime
    end_window_datetime: datetime


@frozen
class LastValueModel:
    unit_node_uuid: UUID
    state: str
    last_update_datetime: datetime


RowModel = NRecordModel | TimeWindowModel | AggregationModel | LastValueModel


@frozen
class PipeDataModel:
    """``pipe_data`` are all of the type that was asked for."""

    count: int
    pipe_data: Sequence[RowModel]


@frozen
class PipeDropsModel:
    """Messages since counting began: those that were kept, and the others by reason."""

    unit_node_uuid: UUID
    accepted: int
    dropped: Mapping[str, int]


def pipe_error_model(violation: Violation) -> PipeErrorModel:
    return PipeErrorModel(violation.stage, f"{violation.path}: {violation.message}")


def pipe_drops_model(node: UUID, outcomes: Mapping[str, int]) -> PipeDropsModel:
    dropped = {reason: outcomes.get(reason, 0) for reason in REASONS}
    return PipeDropsModel(node, outcomes.get("accepted", 0), dropped)


def pipe_data_model(
    count: int, policy: PolicyType, rows: Iterable[StoredRow | NewestValue]
) -> PipeDataModel:
    return PipeDataModel(count, [_row_model(policy, row) for row in rows])


def _row_model(policy: PolicyType, row: StoredRow | NewestValue) -> RowModel:
    if isinstance(row, NewestValue):
        return LastValueModel(row.node, row.state, naive_utc(row.received))
    values: Any = row
    if policy is PolicyType.AGGREGATION:
        node, _, state, function, window, created, start, end, _ = values
        return AggregationModel(
            unit_node_uuid=node,
            state=state,
            aggregation_type=AggregationFunction(function),
            time_window_size=window,
            create_datetime=naive_utc(from_ms(created)),
            start_window_datetime=naive_utc(from_ms(start)),
            end_window_datetime=naive_utc(from_ms(end)),
        )
    node, _, _, state, state_type, created, kept, size = values
    moment = naive_utc(from_ms(created))
    if policy is PolicyType.N_RECORDS:
        return NRecordModel(node, state, InputType(state_type), moment, kept, size)
    expires = naive_utc(from_ms(kept))
    return TimeWindowModel(node, state, InputType(state_type), moment, expires, size)
