"""What can be subscribed; not in the reference's contract."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from attrs import frozen

from pepeunit.codecs.rest.live import (
    NodeValueEventModel,
    RegistryProgressEventModel,
    RolloutProgressEventModel,
    UnitLogEventModel,
    UnitPresenceEventModel,
    UnitStateEventModel,
    UnitUpdateEventModel,
)
from pepeunit.domain.live.event import EventKind, Key
from pepeunit.entrypoints.graphql.door import Resolvers, Watched


def _watched(kind: EventKind) -> Watched:
    def keys(uuids: Sequence[UUID]) -> Collection[Key]:
        return {(kind, uuid) for uuid in uuids}

    return keys


@frozen
class LiveDoor:
    def resolvers(self) -> Resolvers:
        return Resolvers(
            tag="live",
            subscriptions={
                "unitState": _watched(EventKind.UNIT_STATE),
                "unitPresence": _watched(EventKind.UNIT_PRESENCE),
                "unitUpdate": _watched(EventKind.UNIT_UPDATE),
                "unitLog": _watched(EventKind.UNIT_LOG),
                "nodeValue": _watched(EventKind.NODE_VALUE),
                "registryProgress": _watched(EventKind.REGISTRY_PROGRESS),
                "rolloutProgress": _watched(EventKind.ROLLOUT_PROGRESS),
            },
            outputs={
                "UnitStateEventType": UnitStateEventModel,
                "UnitPresenceEventType": UnitPresenceEventModel,
                "UnitUpdateEventType": UnitUpdateEventModel,
                "UnitLogEventType": UnitLogEventModel,
                "NodeValueEventType": NodeValueEventModel,
                "RegistryProgressEventType": RegistryProgressEventModel,
                "RolloutProgressEventType": RolloutProgressEventModel,
            },
        )
