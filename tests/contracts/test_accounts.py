"""Invites, rotated tokens, hand-overs and the audit log in every store."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from attrs import evolve

from pepeunit.domain.access.agent import AgentKind
from pepeunit.domain.access.api_tokens import ApiToken
from pepeunit.domain.access.restriction import TokenScope
from pepeunit.domain.audit.entry import AuditEntry, Change, Deed, Outcome, Subject
from pepeunit.domain.errors import Conflict
from pepeunit.domain.ids import ApiTokenId, AuditId, InviteId, UnitId, UserId
from pepeunit.domain.registries.credentials import CredentialStatus
from pepeunit.domain.users.registration import Invite
from pepeunit.domain.users.user import User
from pepeunit.ports.audit import AuditQuery
from pepeunit.ports.database import Database
from pepeunit.ports.paging import Slice
from pepeunit.ports.registries import SealedCredentials
from tests.doubles.rows import NOON, a_permission, a_unit, a_user, an_edge, stored

LATER = NOON + timedelta(hours=1)


def an_invite(creator: User, digest: str, **given: object) -> Invite:
    invite = Invite(InviteId(uuid4()), digest, creator.uuid, NOON, LATER)
    return evolve(invite, **given)


def an_entry(**given: object) -> AuditEntry:
    entry = AuditEntry(
        uuid=AuditId(uuid4()),
        create_datetime=NOON,
        agent_kind=AgentKind.USER,
        agent_uuid=uuid4(),
        agent_name="anna",
        verb="units.edit",
        subject=Subject("Unit", uuid4(), "lamp", UserId(uuid4())),
        address="203.0.113.7",
        outcome=Outcome.DONE,
        changes=(Change("Unit", uuid4(), Deed.CHANGED, {"name": ("old", None)}),),
        change_count=1,
    )
    return evolve(entry, **given)


async def test_invites_are_found_by_digest_and_forgotten(database: Database) -> None:
    user = a_user()
    first, second = an_invite(user, "a"), an_invite(user, "b", create_datetime=LATER)
    expired = an_invite(user, "c", expiration_datetime=NOON)
    async with database.begin() as tx:
        await tx.users.put(user)
        for invite in (first, second, expired):
            await tx.invites.put(invite)
        assert await tx.invites.by_digest("a", for_update=True) == first
        assert await tx.invites.purge(NOON) == 1
    async with database.read() as rows:
        assert list(await rows.invites.everyone()) == [second, first]
        assert await rows.invites.get(first.uuid) == first
        assert await rows.invites.by_digest("c") is None
    async with database.begin() as tx:
        await tx.invites.delete(first.uuid)
        assert await tx.invites.get(first.uuid) is None


def an_api_token(creator: User, digest: str, **given: object) -> ApiToken:
    token = ApiToken(
        ApiTokenId(uuid4()), digest, "abcd", "script", creator.uuid, TokenScope.READ, None, NOON
    )
    return evolve(token, **given)


async def test_api_tokens_are_found_by_digest_used_and_forgotten(database: Database) -> None:
    user, other = a_user(), a_user()
    first = an_api_token(user, "a", units=frozenset({UnitId(uuid4()), UnitId(uuid4())}))
    second = an_api_token(user, "b", create_datetime=LATER, scope=TokenScope.OWN)
    expired = an_api_token(user, "c", expiration_datetime=NOON)
    others = an_api_token(other, "d", expiration_datetime=LATER)
    async with database.begin() as tx:
        for person in (user, other):
            await tx.users.put(person)
        for token in (first, second, expired, others):
            await tx.api_tokens.put(token)
        assert await tx.api_tokens.purge(NOON) == 1
    async with database.read() as rows:
        assert await rows.api_tokens.by_digest("a") == first
        assert await rows.api_tokens.by_digest("c") is None
        assert await rows.api_tokens.get(others.uuid) == others
        assert list(await rows.api_tokens.of_user(user.uuid)) == [second, first]
        assert list(await rows.api_tokens.of_user(other.uuid)) == [others]
    async with database.begin() as tx:
        await tx.api_tokens.mark_use(first, LATER)
        await tx.api_tokens.mark_use(first, LATER + timedelta(seconds=1))
        used = evolve(first, last_use_datetime=LATER)
        assert await tx.api_tokens.get(first.uuid) == used
        await tx.api_tokens.mark_use(used, LATER + timedelta(hours=1))
        await tx.api_tokens.delete(second.uuid)
        assert [token.last_use_datetime for token in await tx.api_tokens.of_user(user.uuid)] == [
            LATER + timedelta(hours=1)
        ]
        await tx.users.delete(user.uuid)
        assert await tx.api_tokens.of_user(user.uuid) in ((), [])
    with pytest.raises(Conflict, match="the user is gone"):
        async with database.begin() as tx:
            await tx.api_tokens.put(first)


async def test_old_tokens_are_kept_and_found_when_they_run_out(database: Database) -> None:
    home = await stored(database)
    late = a_unit(home.repo, home.user).with_rotated_token(NOON + timedelta(hours=2))
    due = a_unit(home.repo, home.user).with_rotated_token(NOON)
    async with database.begin() as tx:
        for unit in (late, due):
            await tx.units.put(unit)
    assert due.old_token_until is not None
    async with database.read() as rows:
        assert await rows.units.get(due.uuid) == due
        assert list(await rows.units.with_old_token_before(due.old_token_until, 10)) == [due.uuid]
        far = due.old_token_until + timedelta(days=9)
        assert list(await rows.units.with_old_token_before(far, 10)) == [due.uuid, late.uuid]
        assert list(await rows.units.with_old_token_before(far, 1)) == [due.uuid]


async def test_what_a_user_made_is_handed_over_with_the_permissions_about_it(
    database: Database,
) -> None:
    home, taker, third = await stored(database), a_user(), a_user()
    giver, edge, others = home.user.uuid, an_edge(home.output, home.input), uuid4()
    async with database.begin() as tx:
        for user in (taker, third):
            await tx.users.put(user)
        await tx.edges.put(edge)
        await tx.permissions.put(
            [
                a_permission(giver, home.unit.uuid),
                a_permission(giver, home.output.uuid),
                a_permission(taker.uuid, home.output.uuid),
                a_permission(giver, others),
                a_permission(third.uuid, home.unit.uuid),
            ]
        )
        await tx.users.hand_over(giver, taker.uuid)
        await tx.users.delete(giver)
    async with database.read() as rows:
        for collection, row in (
            (rows.registries, home.registry),
            (rows.repos, home.repo),
            (rows.units, home.unit),
            (rows.nodes, home.output),
        ):
            found = await collection.get(row.uuid)  # type: ignore[attr-defined]
            assert found == evolve(row, creator_uuid=taker.uuid)
        assert [e.creator_uuid for e in await rows.edges.touching([home.output.uuid])] == [
            taker.uuid
        ]
        for thing in (home.unit.uuid, home.output.uuid):
            assert await rows.permissions.exists(taker.uuid, thing)
            assert not await rows.permissions.exists(giver, thing)
        assert not await rows.permissions.exists(taker.uuid, others)
        assert not await rows.permissions.exists(giver, others)
        assert await rows.permissions.exists(third.uuid, home.unit.uuid)
        assert await rows.users.get(giver) is None


@pytest.mark.parametrize("left", ["unit", "repo"])
async def test_a_user_who_still_has_things_cannot_be_deleted(database: Database, left: str) -> None:
    home = await stored(database)
    with pytest.raises(Conflict, match="the user still has"):
        async with database.begin() as tx:
            if left == "repo":
                await tx.units.delete(home.unit.uuid)
            await tx.users.delete(home.user.uuid)
    async with database.read() as rows:
        assert await rows.users.get(home.user.uuid) == home.user


async def test_o8_registries_outlive_their_maker_and_credentials_do_not(
    database: Database,
) -> None:
    home, other = await stored(database), a_user()
    slots = [
        SealedCredentials(home.registry.uuid, user.uuid, "sealed", CredentialStatus.VALID)
        for user in (home.user, other)
    ]
    async with database.begin() as tx:
        await tx.users.put(other)
        await tx.invites.put(an_invite(home.user, "a"))
        for slot in slots:
            await tx.registries.put_credentials(slot)
        await tx.units.delete(home.unit.uuid)
        await tx.repos.delete(home.repo.uuid)
        await tx.users.delete(home.user.uuid)
    async with database.read() as rows:
        assert await rows.registries.get(home.registry.uuid) == evolve(
            home.registry, creator_uuid=None
        )
        assert list(await rows.registries.credentials(home.registry.uuid)) == [slots[1]]
        assert list(await rows.invites.everyone()) == []


async def test_the_audit_log_is_filtered_paged_and_newest_first(database: Database) -> None:
    owner = UserId(uuid4())
    entries = [an_entry(create_datetime=NOON + timedelta(minutes=n)) for n in range(4)]
    entries[1] = evolve(
        entries[1], verb="units.delete", subject=Subject("Unit", uuid4(), "x", owner)
    )
    entries[2] = evolve(
        entries[2], outcome=Outcome.REFUSED, agent_uuid=None, subject=Subject("Instance")
    )
    async with database.begin() as tx:
        for entry in entries:
            await tx.audit.add(entry)
    async with database.read() as rows:

        async def found(**query: object) -> list[AuditEntry]:
            return list((await rows.audit.find(AuditQuery(**query))).items)  # type: ignore[arg-type]

        assert await found() == entries[::-1]
        assert await found(newest_first=False) == entries
        assert await found(owner=owner) == [entries[1]]
        assert await found(verb="units.delete") == [entries[1]]
        assert await found(outcome=Outcome.REFUSED) == [entries[2]]
        assert await found(subject_kind="Instance") == [entries[2]]
        assert await found(agent_uuid=entries[3].agent_uuid) == [entries[3]]
        assert await found(subject_uuid=entries[0].subject.uuid) == [entries[0]]
        since, until = entries[1].create_datetime, entries[3].create_datetime
        assert await found(since=since, until=until) == [entries[2], entries[1]]
        page = await rows.audit.find(AuditQuery(slice=Slice(1, 2)))
        assert (page.count, list(page.items)) == (4, [entries[2], entries[1]])
    async with database.begin() as tx:
        assert await tx.audit.purge(entries[2].create_datetime) == 2
        assert (await tx.audit.find(AuditQuery())).count == 2


async def test_audit_rows_follow_the_thing_to_its_new_owner(database: Database) -> None:
    giver, taker = UserId(uuid4()), UserId(uuid4())
    thing = an_entry(subject=Subject("Unit", uuid4(), "lamp", giver))
    several = an_entry(subject=Subject("Unit", None, "", giver))
    person = an_entry(subject=Subject("User", giver, "anna", giver))
    async with database.begin() as tx:
        for entry in (thing, several, person):
            await tx.audit.add(entry)
        await tx.audit.hand_over(giver, taker)
    async with database.read() as rows:
        mine = (await rows.audit.find(AuditQuery(owner=taker))).items
        assert {entry.uuid for entry in mine} == {thing.uuid, several.uuid}
        assert (await rows.audit.find(AuditQuery(owner=giver))).items == (person,)
