"""One request from its text to the bytes of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import nullcontext
from inspect import isawaitable
from typing import Any, Final, cast
from uuid import UUID

import orjson
from attrs import define, field, frozen
from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationType,
    create_source_event_stream,
)
from graphql.execution import execute_subscription_event

from pepeunit.codecs.rest.requests import Paged
from pepeunit.domain.access.agent import ANONYMOUS, Agent
from pepeunit.domain.errors import Invalid, OverLimit
from pepeunit.entrypoints.graphql.binder import Bound, Source
from pepeunit.entrypoints.graphql.documents import Broken, Document, Documents
from pepeunit.entrypoints.graphql.door import Call, Cookie, Info
from pepeunit.entrypoints.graphql.limits import Limits, check_variables
from pepeunit.entrypoints.graphql.plans import PlanningExecutor
from pepeunit.entrypoints.graphql.refusals import told
from pepeunit.entrypoints.graphql.uploads import Unreadable
from pepeunit.usecases.access.unlimited_lists import UnlimitedLists
from pepeunit.usecases.audit.record_acts import RecordActs

Authentication = Callable[[str | None], Awaitable[Agent]]

NO_MUTATION_BY_GET: Final = "mutations are not allowed when using GET"
NO_SUBSCRIPTION: Final = "subscribe over WebSocket (graphql-transport-ws) on this path"
NO_TOKEN_BY_GET: Final = "getToken is not allowed when using GET"  # noqa: S105


@frozen
class Request:
    """What is asked, as the transport read it."""

    text: str
    variables: Mapping[str, Any] = {}
    operation_name: str | None = None
    is_get: bool = False


@define
class Asked:
    """One request while it runs: who asks, found out when first needed, and what it may use."""

    authenticate: Authentication
    acts: RecordActs
    lists: UnlimitedLists
    limits: Limits
    token: str | None
    address: str
    variables: Mapping[str, Any] = field(factory=dict)
    document: Document | None = None
    cookies: list[Cookie] = field(factory=list)
    _agent: Agent | None = None
    _unlimited: int = 0
    _once: asyncio.Lock = field(factory=asyncio.Lock)

    async def agent(self) -> Agent:
        """Raises ``Unauthenticated`` for a token that is not good, each time it is asked."""
        async with self._once:
            if self._agent is None:
                self._agent = await self.authenticate(self.token)
        return self._agent

    async def run(self, bound: Bound, info: Info, arguments: dict[str, Any]) -> Any:
        """One root field."""
        if bound.wants_call:
            arguments["call"] = Call(self.address, self.variables, info, self.cookies)
        agent = await self.agent() if bound.reads_token else ANONYMOUS
        query = arguments.get("filters")
        unlimited = isinstance(query, Paged) and query.is_unlimited
        if isinstance(query, Paged):
            query.check_range(self.limits.page_rows_max)
        if unlimited:
            self._count_unlimited()
        with self.lists.one_of(self.address) if unlimited else nullcontext():
            if not bound.changes and not agent.is_admin:  # looks are not told of
                return await bound.operation(agent, **arguments)
            uuid = arguments.get("uuid")
            async with self.acts(
                agent,
                bound.verb,
                self.address,
                changes=bound.changes,
                collection=bound.collection,
                uuid=uuid if isinstance(uuid, UUID) else None,
            ):
                return await bound.operation(agent, **arguments)

    def _count_unlimited(self) -> None:
        most = self.limits.unlimited_lists_max
        self._unlimited += 1
        if self._unlimited > most:
            text = f"more than {most} lists without limit in a request"
            raise OverLimit(text, limit=most, actual=self._unlimited)


def serve(bound: Bound, info: Info, arguments: dict[str, Any]) -> Any:
    """Run a bound operation for the request that ``info`` belongs to."""
    asked: Asked = info.context
    return asked.run(bound, info, arguments)


@frozen
class Engine:
    """Answers requests; root fields run one after the other, over one database connection."""

    schema: GraphQLSchema
    documents: Documents
    limits: Limits

    @classmethod
    def of(cls, schema: GraphQLSchema, limits: Limits) -> Engine:
        return cls(schema, Documents(schema, limits), limits)

    async def answer(self, request: Request, asked: Asked) -> bytes:
        """The JSON of the answer, errors included. Raises :class:`Unreadable` for what may not
        be asked by GET."""
        try:
            document = self.documents.get(request.text)
            if request.is_get:
                _refuse_changes(document, request)
            check_variables(request.variables, self.limits)
            if document.kind(request.operation_name) is OperationType.SUBSCRIPTION:
                raise Invalid(NO_SUBSCRIPTION)
            asked.document = document
            asked.variables = request.variables
            result = await self._execute(document, request, asked)
        except Unreadable:
            raise
        except Broken as broken:
            result = ExecutionResult(None, list(broken.errors))
        except Exception as error:
            result = ExecutionResult(None, [GraphQLError("", original_error=error)])
        return written(result)

    def subscription(self, request: Request, asked: Asked) -> Subscribed:
        """What a subscription listens to and how its events are written. Raises what cannot be
        subscribed: :class:`Broken`, or a refusal."""
        document = self.documents.get(request.text)
        check_variables(request.variables, self.limits)
        asked.document = document
        asked.variables = request.variables
        executor = self._executor(document, request, asked)
        if isinstance(executor, list):
            raise Broken(executor)
        source: Any = create_source_event_stream(executor)
        if isinstance(source, ExecutionResult):
            raise Broken(source.errors or ())
        return Subscribed(source, executor)

    def kind(self, request: Request) -> OperationType | None:
        """Of the operation that is asked for. Raises as :meth:`subscription` does."""
        return self.documents.get(request.text).kind(request.operation_name)

    def _executor(self, document: Document, request: Request, asked: Asked) -> Any:
        """Or the errors of the variables."""
        return PlanningExecutor.build(
            self.schema,
            document.syntax,
            context_value=asked,
            raw_variable_values=dict(request.variables),
            operation_name=request.operation_name,
            max_coercion_errors=self.limits.errors_max,
        )

    async def _execute(self, document: Document, request: Request, asked: Asked) -> ExecutionResult:
        executor = self._executor(document, request, asked)
        if isinstance(executor, list):
            return ExecutionResult(None, executor)
        result: Any = executor.execute_operation(serially=True)
        done: ExecutionResult = await result if isawaitable(result) else result
        return done


@frozen
class Subscribed:
    """A subscription that runs; ``source`` is what it listens to."""

    source: Source
    executor: PlanningExecutor

    def written(self, model: Any) -> bytes:
        """The JSON of one event."""
        try:
            return orjson.dumps({"data": self.executor.planned_root(model)})
        except Exception:
            executor = self.executor.build_per_event_executor(model)
            return written(cast(ExecutionResult, execute_subscription_event(executor)))


def _refuse_changes(document: Document, request: Request) -> None:
    if document.kind(request.operation_name) is OperationType.MUTATION:
        raise Unreadable(NO_MUTATION_BY_GET)
    if document.measured.signs_in:
        raise Unreadable(NO_TOKEN_BY_GET)


def written(result: ExecutionResult) -> bytes:
    """The JSON of an answer."""
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = errors_of(result.errors)
    return orjson.dumps(answer, default=_plain)


def _plain(value: Any) -> str:
    """A driver's own kind of UUID; plain ones and naive dates are orjson's work."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)


def errors_of(errors: Iterable[GraphQLError]) -> list[dict[str, Any]]:
    return [_error(one) for one in errors]


def _error(error: GraphQLError) -> dict[str, Any]:
    answer = told(error)
    written: dict[str, Any] = {"message": answer.detail}
    if error.locations:
        written["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path is not None:
        written["path"] = error.path
    extensions: dict[str, Any] = {"code": answer.status}
    if "Retry-After" in answer.headers:
        extensions["retryAfter"] = int(answer.headers["Retry-After"])
    return written | {"extensions": extensions}
