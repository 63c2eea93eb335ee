"""What is done over GraphQL is told of like what is done over REST (rulings 8)."""

from __future__ import annotations

from pepeunit.domain.access.agent import BACKEND
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.audit.entry import Deed, Outcome
from pepeunit.domain.users.user import UserRole
from pepeunit.entrypoints.doors import DOORS, GRAPHQL_DOORS, filled
from pepeunit.entrypoints.http.instance import InstanceDoor
from pepeunit.ports.audit import AuditQuery
from tests.doors.graphql.platform import PASSWORD, Gql
from tests.doubles.rows import a_registry, a_repo, a_user

OURS_ALONE = {"users.delete_cookies"}


async def test_an_operation_has_the_verb_that_it_has_over_rest(gql: Gql) -> None:
    metrics = InstanceDoor(gql.use.get_metrics(), None, "", None).routes()  # type: ignore[arg-type]
    over_rest = {route.verb: route.changes for route in metrics}
    for door in DOORS:
        over_rest |= {route.verb: route.changes for route in filled(gql.use, door).routes()}
    for door in GRAPHQL_DOORS:
        given = filled(gql.use, door).resolvers()
        if given.absent:
            continue
        for name, operation in (given.queries | given.mutations).items():
            verb = f"{given.tag}.{operation.__name__}"
            if verb not in OURS_ALONE:
                told = name in given.mutations or name in given.told
                assert told == over_rest[verb], verb


async def test_a_change_leaves_a_row(gql: Gql) -> None:
    alice = await gql.sign_up("alice")
    await gql.done(
        "mutation($u: UserUpdateInput!) { updateUser(user: $u) { login } }",
        "alice",
        u={"login": "alicia"},
    )
    async with gql.database.read() as rows:
        entry = (await rows.audit.find(AuditQuery(verb="users.edit"))).items[0]
    assert (entry.agent_name, entry.address) == ("alice", "127.0.0.1")
    assert str(entry.subject.uuid) == alice
    shown = await gql.done(
        """{ getAudit(filters: {verb: "users.edit"}) {
               entries { verb outcome changes { fields { name before after } } } } }""",
        "alice",
    )
    (told,) = shown["entries"]
    assert (told["verb"], told["outcome"]) == ("users.edit", "DONE")
    assert {"name": "login", "before": "alice", "after": "alicia"} in told["changes"][0]["fields"]


async def test_sign_ins_leave_rows_though_they_are_queries(gql: Gql) -> None:
    await gql.sign_up("alice")
    await gql.refused(
        "query($d: UserAuthInput!) { getToken(data: $d) }",
        d={"credentials": "alice", "password": "wrong"},
    )
    async with gql.database.read() as rows:
        found = (await rows.audit.find(AuditQuery(verb="users.authenticate"))).items
    assert [(one.outcome, one.subject.name) for one in found] == [
        (Outcome.REFUSED, "alice"),
        (Outcome.DONE, "alice"),
    ]


async def test_a_refused_change_leaves_a_row(gql: Gql) -> None:
    await gql.sign_up("alice")
    bert = await gql.sign_up("bert")
    await gql.refused("mutation($u: UUID!) { blockUser(uuid: $u) { isNone } }", "alice", u=bert)
    async with gql.database.read() as rows:
        (entry,) = (await rows.audit.find(AuditQuery(verb="users.block"))).items
    assert (entry.outcome, str(entry.subject.uuid)) == (Outcome.REFUSED, bert)


async def test_an_administrator_s_look_by_his_role_leaves_a_row(gql: Gql) -> None:
    await gql.use.sign_up()(BACKEND, "root", PASSWORD, UserRole.ADMIN)
    gql.signed["root"] = await gql.done(
        "query($d: UserAuthInput!) { getToken(data: $d) }",
        d={"credentials": "root", "password": PASSWORD},
    )
    creator = a_user()
    registry = a_registry(creator)
    repo = a_repo(registry, creator, visibility_level=Visibility.PRIVATE)
    async with gql.database.begin() as tx:
        await tx.users.put(creator)
        await tx.registries.put(registry)
        await tx.repos.put(repo)
    await gql.done("query($u: UUID!) { getRepo(uuid: $u) { name } }", "root", u=str(repo.uuid))
    async with gql.database.read() as rows:
        (entry,) = (await rows.audit.find(AuditQuery(verb="repos.get"))).items
    assert [change.deed for change in entry.changes] == [Deed.SHOWN]
