"""Make many units at once, with their nodes' settings and edges: all of them or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from attrs import evolve, field, frozen

from pepeunit.domain.access.agent import Agent, AgentKind
from pepeunit.domain.access.policy import Action, require_kind
from pepeunit.domain.errors import Invalid, NotFound, Refused, Topic
from pepeunit.domain.ids import EdgeId
from pepeunit.domain.nodes.edge import Edge
from pepeunit.domain.nodes.node import (
    MAX_CONNECTIONS_DEFAULT,
    Node,
    NodeType,
    setting_violations,
)
from pepeunit.domain.units.batch import Batch, EdgeDraft, NodeDraft, UnitDraft, Violation
from pepeunit.domain.units.unit import Unit
from pepeunit.ports.database import Collections, Database, Transaction
from pepeunit.ports.identifiers import NewUuid
from pepeunit.usecases.access.gates import repo_for
from pepeunit.usecases.nodes.link import EDGES_LOCK
from pepeunit.usecases.pipes.await_pipes import AwaitPipes
from pepeunit.usecases.pipes.rules import PipeForms
from pepeunit.usecases.units.create_unit import CreateUnit, UnitSettings
from pepeunit.usecases.updates.programs import Program


@frozen
class ImportReport:
    """``units`` are those that were made, or would be; ``violations`` is empty unless dry."""

    units: Sequence[tuple[UnitDraft, Unit]]
    violations: Sequence[Violation]
    edges: int = 0


@frozen(eq=False)
class _Checked:
    units: list[tuple[UnitDraft, Unit, Program]] = field(factory=list)
    violations: list[Violation] = field(factory=list)


@frozen
class ImportUnits:
    """Reads each program once, however many units it is for."""

    database: Database
    create_unit: CreateUnit
    new_uuid: NewUuid
    forms: PipeForms
    await_pipes: AwaitPipes

    async def __call__(
        self, agent: Agent, batch: Batch, known: Sequence[Violation] = (), *, dry_run: bool
    ) -> ImportReport:
        """``known`` is what reading the file found already.

        Returns once the pipes of all new nodes rule what is received.
        Raises ``Invalid`` (topic unit) with every violation unless ``dry_run``, ``Conflict`` when
        somebody took a name meanwhile.
        """
        require_kind(agent, AgentKind.USER)
        async with self.database.read() as rows:
            checked = await self._check(rows, agent, batch.units)
        violations = [*known, *checked.violations, *_edge_violations(batch, checked.units)]
        if violations and not dry_run:
            raise Invalid(violations, Topic.UNIT)
        pairs = [(draft, unit) for draft, unit, _ in checked.units]
        if dry_run:
            return ImportReport(pairs, violations, len(batch.edges))
        async with self.database.begin() as tx:
            for draft, unit, program in checked.units:
                await self.create_unit.store(tx, unit, program)
                await self._set_nodes(tx, draft, unit)
            await self._link(tx, batch.edges, {unit.name: unit for _, unit in pairs})
        await self.await_pipes([unit.uuid for _, unit in pairs])
        return ImportReport(pairs, (), len(batch.edges))

    async def _check(
        self, rows: Collections, agent: Agent, drafts: Sequence[UnitDraft]
    ) -> _Checked:
        found = _Checked()
        programs: dict[object, Program | Refused] = {}
        names = Counter(draft.name for draft in drafts)
        taken = set(await rows.units.taken([name for name in names if "\0" not in name]))
        for draft in drafts:
            wrong: list[Violation] = []
            if names[draft.name] > 1:
                wrong.append((f"{draft.place}, name", "is in the file more than once"))
            if draft.name in taken:
                wrong.append((f"{draft.place}, name", "is taken by another unit"))
            unit = self.create_unit.draft(agent, draft.repo_uuid, _settings(draft))
            try:
                program = await self._program(rows, agent, unit, programs)
                wrong += _node_violations(draft, program)
                wrong += self._pipe_violations(draft)
                if not wrong:
                    found.units.append((draft, unit, program))
            except Refused as refusal:
                wrong += _told(draft.place, refusal)
            found.violations.extend(wrong)
        return found

    async def _program(
        self,
        rows: Collections,
        agent: Agent,
        unit: Unit,
        known: dict[object, Program | Refused],
    ) -> Program:
        repo = await repo_for(rows, agent, Action.BUILD_FROM, unit.repo_uuid)
        self.create_unit.rules.require_settings(unit, repo)
        key = (unit.repo_uuid, unit.version_choice)
        if key not in known:
            try:
                known[key] = await self.create_unit.rules.check(rows, unit, repo)
            except Refused as refusal:
                known[key] = refusal
        program = known[key]
        if isinstance(program, Refused):
            raise program
        return program

    async def _set_nodes(self, tx: Transaction, draft: UnitDraft, unit: Unit) -> None:
        if not draft.nodes:
            return
        wanted = {(node.type, node.topic_name): node for node in draft.nodes}
        found = await tx.nodes.of_unit(unit.uuid)
        await tx.nodes.put(
            [
                self._with_settings(node, wanted[node.type, node.topic_name])
                for node in found
                if (node.type, node.topic_name) in wanted
            ]
        )

    def _with_settings(self, node: Node, draft: NodeDraft) -> Node:
        config = draft.data_pipe_yml
        return evolve(
            node,
            visibility_level=draft.visibility_level,
            is_rewritable_input=draft.is_rewritable_input,
            max_connections=draft.max_connections,
            is_data_pipe_active=draft.is_data_pipe_active,
            data_pipe_yml=self.forms.dump(self.forms.load(config)) if config else None,
        ).with_pipe_status()

    def _pipe_violations(self, draft: UnitDraft) -> Iterable[Violation]:
        """By the rules of an uploaded config (spec datapipe.md 3)."""
        for index, node in enumerate(draft.nodes):
            try:
                if node.data_pipe_yml:
                    self.forms.load(node.data_pipe_yml)
            except Invalid as invalid:
                place = f"{draft.place}.nodes[{index}].data_pipe_yml"
                for path, text in invalid.violations:
                    yield f"{place}.{path}" if path else place, text

    async def _link(
        self, tx: Transaction, edges: Sequence[EdgeDraft], units: dict[str, Unit]
    ) -> None:
        if not edges:
            return
        await tx.lock(EDGES_LOCK)
        names = {unit.uuid: unit.name for unit in units.values()}
        nodes = {
            (names[node.unit_uuid], node.type, node.topic_name): node
            for node in await tx.nodes.of_units(names)
        }
        for edge in edges:
            output = nodes.get((edge.output.unit, NodeType.OUTPUT, edge.output.topic_name))
            input_ = nodes.get((edge.input.unit, NodeType.INPUT, edge.input.topic_name))
            if output is None or input_ is None:
                raise NotFound(f"{edge.place}: node not found")
            row = Edge(EdgeId(self.new_uuid()), output.uuid, input_.uuid, output.creator_uuid)
            await tx.edges.put(row)


def _settings(draft: UnitDraft) -> UnitSettings:
    return UnitSettings(
        name=draft.name,
        visibility_level=draft.visibility_level,
        is_auto_update_from_repo_unit=draft.is_auto_update_from_repo_unit,
        target_firmware_platform=draft.target_firmware_platform,
        repo_branch=draft.repo_branch,
        repo_commit=draft.repo_commit,
    )


def _told(place: str, refusal: Refused) -> list[Violation]:
    if isinstance(refusal, Invalid):
        return [(f"{place}, {path}" if path else place, text) for path, text in refusal.violations]
    return [(place, refusal.message)]


def _node_violations(draft: UnitDraft, program: Program) -> Iterable[Violation]:
    present = set(program.schema.node_names())
    seen: set[tuple[NodeType, str]] = set()
    for index, node in enumerate(draft.nodes):
        place = f"{draft.place}.nodes[{index}]"
        name = (node.type, node.topic_name)
        if name not in present:
            yield place, f"the program has no {node.type.value} {node.topic_name!r}"
        if name in seen:
            yield place, f"{node.topic_name!r} is there twice"
        seen.add(name)
        if node.visibility_level.is_wider_than(draft.visibility_level):
            yield f"{place}.visibility_level", f"the unit is {draft.visibility_level.value}"
        yield from ((f"{place}.{path}", text) for path, text in setting_violations(node))


def _edge_violations(
    batch: Batch, checked: Sequence[tuple[UnitDraft, Unit, Program]]
) -> Iterable[Violation]:
    nodes = {
        (draft.name, *name) for draft, _, program in checked for name in program.schema.node_names()
    }
    limits = {
        (draft.name, node.type, node.topic_name): node.max_connections
        for draft, _, _ in checked
        for node in draft.nodes
    }
    used: Counter[tuple[str, NodeType, str]] = Counter()
    seen: set[object] = set()
    for edge in batch.edges:
        ends = {
            "output": (edge.output.unit, NodeType.OUTPUT, edge.output.topic_name),
            "input": (edge.input.unit, NodeType.INPUT, edge.input.topic_name),
        }
        for side, end in ends.items():
            used[end] += 1
            if end not in nodes:
                yield f"{edge.place}.{side}", "no such node among the units of the file"
            elif used[end] > (most := limits.get(end, MAX_CONNECTIONS_DEFAULT)):
                yield f"{edge.place}.{side}", f"more than {most} links"
        if (edge.output, edge.input) in seen:
            yield edge.place, "is there twice"
        seen.add((edge.output, edge.input))
