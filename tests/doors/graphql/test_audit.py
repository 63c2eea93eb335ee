"""What is done over GraphQL is told of like what is done over REST (rulings 8)."""

from __future__ import annotations

from pepeunit.domain.access.agent import BACKEND
from pepeunit.domain.access.visibility import Visibility
from pepeunit.domain.audit.entry import Deed, Outcome
from pepeunit.domain.users.user import UserRole
from pepeunit.entrypoints.doors import DOORS, GRAPHQL_DOORS, filled
from pepeunit.entrypoints.graphql.absent import AbsentDoor
from pepeunit.ports.audit import AuditQuery
from tests.doors.graphql.platform import PASSWORD, Gql
from tests.doubles.rows import a_registry, a_repo, a_user

OURS_ALONE = {"instance.delete_cookies"}


async def test_a_change_has_the_verb_that_it_has_over_rest(gql: Gql) -> None:
    over_rest = {
        route.verb for door in DOORS for route in filled(gql.use, door).routes() if route.changes
    }
    over_graphql = {
        f"{door.tag}.{operation.__name__}"
        for door in (filled(gql.use, one).resolvers() for one in GRAPHQL_DOORS)
        if door.tag != filled(gql.use, AbsentDoor).resolvers().tag
        for operation in door.mutations.values()
    }
    assert over_graphql - over_rest == OURS_ALONE


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
