"""`plazo actions`: what was done, and by whom."""

from datetime import datetime

from tests.support.commands import SECRET, Plazo, Upstream, refused
from tests.support.topics import Topics
from worker.storage.migrations import HEAD


async def test_each_action_is_recorded_with_its_author(
    new: Plazo, upstream: Upstream, topics: Topics
) -> None:
    plazo, by = new, ("--by", "ana")
    await plazo("migrate", *by)
    await plazo("migrate", *by)  # nothing to do
    await plazo.worker()
    for _ in range(2):
        await upstream.write("order", SECRET.encode())
    first, second = await refused(plazo, 2)
    await plazo("brake", "release", "--for", "1h", *by)
    await plazo("brake", "reset", "--by", "eva")
    await plazo("dead-letters", "discard", str(first), "--yes", *by)
    await plazo("dead-letters", "replay", str(second), *by)
    await plazo("dead-letters", "replay", "--all", "--dry-run", *by)
    await plazo("forget", "--older-than", "90d", "--dry-run", *by)
    await plazo("forget", "--older-than", "90d", *by)
    await plazo("topics", "create", *by)  # all are there
    missing = f"{topics.dead_letters}.new"
    await plazo("topics", "create", *by, dead_letters_topic=missing)
    actions = (await plazo("actions", "--json")).json
    assert all(datetime.fromisoformat(one.pop("at")).tzinfo for one in actions)
    assert actions[1]["arguments"].pop("settled_before")
    assert [(one["author"], one["command"], one["arguments"]) for one in reversed(actions)] == [
        ("ana", "migrate", {"before": None, "after": HEAD}),
        ("ana", "brake release", {"for": 3600.0}),
        ("eva", "brake reset", {}),
        ("ana", "dead-letters discard", {"ids": [first]}),
        ("ana", "dead-letters replay", {"ids": [second]}),
        ("ana", "forget", {}),
        ("ana", "topics create", {missing: "create"}),
    ]
    shown = await plazo("actions", "--limit", "1")
    assert "topics create" in shown.out
    assert "1 of 7" in shown.out
    assert SECRET not in (await plazo("actions")).out
