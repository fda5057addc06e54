"""`plazo dead-letters`: list, show, replay and discard."""

from datetime import timedelta

import pytest

from tests.support.commands import SECRET, Plazo, Upstream, refused
from tests.support.waiting import eventually


async def test_dead_letters_are_listed_and_shown_without_personal_data(
    plazo: Plazo, upstream: Upstream
) -> None:
    await plazo.worker()
    value = f'{{"responsible": "{SECRET}"'
    await upstream.write("order-1", value.encode())
    await upstream.act("order-2", "canceled", timedelta(hours=-2))
    number, _ = await refused(plazo, 2)
    listed = (await plazo("dead-letters", "list", "--json")).json
    assert {(one["error"], *one["shields"]) for one in listed} == {
        ("not-json", "order-1"), ("future-time", "order-2"),
    }  # fmt: skip
    only = (await plazo("dead-letters", "list", "--json", "--error", "future-time")).json
    assert [one["error"] for one in only] == ["future-time"]
    assert "1 of 2" in (await plazo("dead-letters", "list", "--limit", "1")).out
    numbers = {one["error"]: str(one["id"]) for one in listed}
    shown = await plazo("dead-letters", "show", numbers["not-json"])
    assert f"{len(value)} bytes" in shown.out
    assert SECRET not in shown.out
    bare = (await plazo("dead-letters", "show", numbers["not-json"], "--json")).json
    assert bare["value"] == {"bytes": len(value)}
    full = (
        await plazo("dead-letters", "show", numbers["not-json"], "--json", "--with-personal-data")
    ).json
    assert full["value"]["text"] == value
    assert full["headers"] == [{"name": "x", "bytes": 1, "text": "1"}]
    answer = await plazo("dead-letters", "show", str(number + 99))
    assert answer.code == 1


async def test_a_replayed_record_takes_effect_and_its_shield_goes(
    plazo: Plazo, upstream: Upstream
) -> None:
    """Refused for a wrong clock of ours, sent round again once the clock is right."""
    first = await plazo.worker(max_clock_skew="PT0S")
    await upstream.enter("order-1", timedelta(minutes=1))
    await upstream.act("order-1", "start-handling", timedelta(seconds=-60))
    [number] = await refused(plazo, 1)
    assert await first.sigterm() == 0

    dry = await plazo("dead-letters", "replay", "--all", "--dry-run", "--json")
    assert dry.json["replayed"] == [number]
    assert await plazo.sql("SELECT FROM shields")

    await plazo.worker()
    answer = "--json", "--by", "ana", "--wait", "60"
    done = await plazo("dead-letters", "replay", str(number), *answer)
    assert done.code == 0, done.err
    assert done.json["replayed"] == [number]
    assert done.json["still_shielded"] == []
    history = await plazo.explain("order-1")
    assert [act["status"] for act in history["acts"]] == ["order-created", "start-handling"]
    assert [(r["settled"], r["settled_by"], r["shields"]) for r in history["refusals"]] == [
        ("replayed", "ana", False)
    ]
    again = await plazo("dead-letters", "replay", str(number))
    assert again.code == 1
    assert "settled already" in again.err
    listed = (await plazo("dead-letters", "list", "--json", "--all")).json
    assert [one["settled"] for one in listed] == ["replayed"]


async def test_a_record_refused_again_is_a_new_dead_letter_of_the_same_bytes(
    plazo: Plazo, upstream: Upstream
) -> None:
    await plazo.worker()
    await upstream.write("order-1", b"\xff not json")
    [number] = await refused(plazo, 1)
    assert (await plazo("dead-letters", "replay", "--error", "not-json")).code == 0
    old, new = await refused(plazo, 2)
    assert old == number
    rows = await plazo.sql("SELECT * FROM dead_letters ORDER BY id")
    for column in ("topic", "partition", "key", "value"):
        assert rows[0][column] == rows[1][column]
    place = f"{rows[0]['topic']}/{rows[0]['partition']}/{rows[0]['offset']}".encode()
    assert rows[1]["header_names"] == [b"x", b"plazo-replayed-from"]
    assert rows[1]["header_values"] == [b"1", place]
    shields = await plazo.sql("SELECT dead_letter FROM shields")
    assert [row["dead_letter"] for row in shields] == [new]


async def test_no_shield_goes_before_the_replayed_record_is_read_if_a_verdict_is_due(
    plazo: Plazo, upstream: Upstream
) -> None:
    """A proof made before the replay would see neither the record nor the shield."""
    worker = await plazo.worker()
    for order in ("due", "ahead", "decided"):
        await upstream.enter(order)
        await upstream.write(order, b"?")
    await upstream.write("unknown", b"?")
    await refused(plazo, 4)
    await eventually(lambda: _entered(plazo, 3))
    assert await worker.sigterm() == 0
    await plazo.sql("UPDATE orders SET fires_at = now() - interval '1 s' WHERE order_id <> 'ahead'")
    await plazo.sql("UPDATE orders SET finding = 'silent' WHERE order_id = 'decided'")
    done = await plazo("dead-letters", "replay", "--all", "--wait", "0.5", "--json")
    assert done.code == 0, done.err
    assert len(done.json["replayed"]) == 4
    assert done.json["still_shielded"] == ["due", "unknown"]


async def _entered(plazo: Plazo, number: int) -> bool:
    return len(await plazo.sql("SELECT FROM orders WHERE lane IS NOT NULL")) == number


async def test_many_are_replayed_beside_running_workers(plazo: Plazo, upstream: Upstream) -> None:
    await plazo.worker()
    for number in range(230):
        await upstream.write(f"order-{number % 50}", b"?")
    await refused(plazo, 230)
    done = await plazo("dead-letters", "replay", "--all", "--json")
    assert len(done.json["replayed"]) == 230
    assert len(await refused(plazo, 460)) == 460


async def test_what_cannot_be_replayed_stays_open(plazo: Plazo, upstream: Upstream) -> None:
    await plazo.worker()
    await upstream.write("order-1", b"?")
    [number] = await refused(plazo, 1)
    await plazo.sql("UPDATE dead_letters SET topic = 'of.old'")
    answer = await plazo("dead-letters", "replay", "--all", "--json")
    assert answer.code == 1
    assert list(answer.json["failed"]) == [str(number)]
    assert await plazo.sql("SELECT FROM shields")


async def test_discarding_wants_a_yes_and_lowers_the_shield(
    plazo: Plazo, upstream: Upstream
) -> None:
    await plazo.worker()
    await upstream.write("order-1", b"?")
    [number] = await refused(plazo, 1)
    assert (await plazo("dead-letters", "discard", str(number))).code == 2
    assert await plazo.sql("SELECT FROM shields")
    answer = await plazo("dead-letters", "discard", str(number), "--yes", "--by", "ana")
    assert answer.code == 0
    rows = await plazo.sql("SELECT settled, settled_by, settled_at FROM dead_letters")
    assert (rows[0]["settled"], rows[0]["settled_by"]) == ("discarded", "ana")
    assert not await plazo.sql("SELECT FROM shields")
    assert (await plazo("dead-letters", "discard", str(number), "--yes")).code == 1


async def test_many_are_discarded_by_their_class_of_error(plazo: Plazo, upstream: Upstream) -> None:
    await plazo.worker()
    for number in range(230):
        await upstream.write(f"order-{number}", b"?")
    await upstream.write("other", b"{}")
    await refused(plazo, 231)
    options = "dead-letters", "discard", "--error", "not-json", "--json"
    planned = await plazo(*options, "--dry-run")
    assert (planned.json["dry_run"], len(planned.json["discarded"])) == (True, 230)
    assert len(await refused(plazo, 231)) == 231, "nothing was done"
    done = await plazo(*options, "--yes")
    assert done.json["discarded"] == planned.json["discarded"]
    rows = await plazo.sql("SELECT error, settled FROM dead_letters WHERE settled IS NULL")
    assert [row["error"] for row in rows] == ["invalid"]
    assert len(await plazo.sql("SELECT FROM shields")) == 1


@pytest.mark.parametrize("arguments", [(), ("1", "--all"), ("--all", "--error", "time"), ("0",)])
async def test_replay_requires_one_selection(new: Plazo, arguments: tuple[str, ...]) -> None:
    assert (await new("dead-letters", "replay", *arguments)).code == 2
