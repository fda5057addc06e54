"""`plazo explain`: an order in the words of support."""

import json
from datetime import timedelta

from tests.support.commands import SECRET, Plazo, Upstream
from tests.support.waiting import eventually


async def test_explain_gives_the_reason(plazo: Plazo, upstream: Upstream) -> None:
    worker = await plazo.worker(stock_window="PT2S")
    form = {"text": f"no stock, says {SECRET}", "type": "CS", "responsible": SECRET}
    for order in ("lapsed", "handled", "revoked", "broken"):
        await upstream.enter(order)
    await upstream.act("handled", "start-handling", validation={"in_stock": True})
    await upstream.act("handled", "packed\x1b[2J", dispute=form)
    await upstream.write("broken", b'{"no": "json"')
    await upstream.act("early", "canceled", dispute=form)

    async def decided() -> bool:
        rows = await plazo.sql("SELECT FROM orders WHERE outcome IS NOT NULL")
        pending = await plazo.sql(
            "SELECT FROM decisions d LEFT JOIN published p USING (lane)"
            " WHERE d.sequence > coalesce(p.sequence, 0)"
        )
        return len(rows) == 4 and not pending

    await eventually(decided, message=worker.output)
    lapsed = await plazo.explain("lapsed")
    assert lapsed["summary"] == (
        "auto-cancelled because nobody had validated its stock, cancelled it or opened a dispute "
        "by the deadline"
    )
    assert [(v["sequence"] > 0, v["published"], v["revoked_by"]) for v in lapsed["verdicts"]] == [
        (True, True, None)
    ]
    assert set(lapsed["verdicts"][0]["evidence"]["read_to"]) == {
        plazo.topics.order_created, plazo.topics.order_status_changed,
    }  # fmt: skip

    handled = await plazo.explain("handled")
    assert handled["summary"].startswith("kept because")
    assert [(a["status"], a["in_time"], a["decisive"]) for a in handled["acts"]] == [
        ("order-created", None, False),
        ("start-handling", True, True),
        ("packed-2-j", True, True),  # no table knows it
    ]
    assert handled["verdicts"] == []

    broken = await plazo.explain("broken")
    assert "could not be read" in broken["summary"]
    assert [(r["error"], r["shields"]) for r in broken["refusals"]] == [("not-json", True)]

    early = await plazo.explain("early")
    assert early["order"] is None
    assert "the order itself has not arrived" in early["summary"]
    assert [act["status"] for act in early["acts"]] == ["canceled"]

    await upstream.act("revoked", "start-handling", timedelta(seconds=30))

    async def corrected() -> bool:
        return len((await plazo.explain("revoked"))["verdicts"]) == 2

    await eventually(corrected, interval=0.5)
    revoked = await plazo.explain("revoked")
    assert revoked["summary"].startswith("kept because")
    assert "revoked because an act in time arrived only after it" in revoked["summary"]
    assert [v["revoked_by"] for v in revoked["verdicts"]] == [2, None]

    screens = ""
    for order in ("lapsed", "handled", "revoked", "broken", "early"):
        screen = await plazo("explain", order)
        assert screen.code == 0
        assert "\x1b" not in screen.out, "what a record says may not steer a terminal"
        screens += screen.out + json.dumps(await plazo.explain(order))
    assert SECRET not in screens
    assert SECRET in (await plazo("explain", "early", "--with-personal-data")).out
    assert SECRET in json.dumps(await plazo.explain("early", "--with-personal-data"))


async def test_explain_shows_coming_and_late_verdicts(plazo: Plazo, upstream: Upstream) -> None:
    worker = await plazo.worker()
    await upstream.enter("open")

    async def known() -> bool:
        return bool(await plazo.sql("SELECT FROM orders WHERE lane IS NOT NULL"))

    await eventually(known)
    summary = (await plazo.explain("open"))["summary"]
    assert summary.startswith("not decided yet: nobody has validated")
    assert "the verdict comes in 24 h, and would be: auto-cancelled because" in summary
    assert await worker.sigterm() == 0
    await plazo.sql("UPDATE orders SET fires_at = now() - interval '5 minutes'")
    assert "the verdict was due 5 min ago" in (await plazo.explain("open"))["summary"]
    assert "no worker reads its lane" in (await plazo.explain("open"))["summary"]


async def test_explain_says_when_it_knows_nothing(plazo: Plazo) -> None:
    answer = await plazo("explain", "nobody", "--json")
    assert (answer.code, answer.out) == (1, "")
    assert "nothing is known of this order" in answer.err
