// The state of the whole: tiles, lanes and the latest verdicts.
"use strict";
import { between, count, relative, span, t } from "./texts.js";
import { byId, element, fill, orderLink, time } from "./dom.js";

const STYLES = { "auto-cancel": "cancel", escalation: "escalate", "decision-revoked": "revoke" };

export const kind = (code) => ({ text: t(`kind.${code}`), style: `kind ${STYLES[code] ?? ""}` });
export const reason = (code) => t(`reason.${code}`);

function tile(name, value, detail, style, hash) {
  const made = element(hash ? "a" : "div", null, `tile ${style}`);
  if (hash) made.href = hash;
  made.append(element("span", name), element("b", value), element("small", detail));
  return made;
}

export function waitingCount(waiting) {
  return Object.values(waiting).reduce((total, value) => total + value, 0);
}

function brakeTile(state, brake, now) {
  const held = state.guards.orders_held_by_the_brake;
  const released = brake.released_until && Date.parse(brake.released_until) > now;
  const escalates = brake.escalate_until && Date.parse(brake.escalate_until) > now;
  const value = held ? t("brake.held", { n: count(held) }) : released ? t("brake.released") : escalates ? t("brake.escalating") :
    brake.tripped_at ? t("brake.tripped") : brake.limited ? t("brake.ready") : t("brake.off");
  const detail = brake.tripped_at ? t("brake.until-reset") : !brake.limited ? `${t("brake.auto-cancels")}: ${t("brake.not-counted")}` :
    t("brake.usage", { cancels: count(brake.cancels), lapsed: count(brake.lapsed) });
  const style = held || released || escalates || brake.tripped_at ? "warn" : brake.limited ? "good" : "plain";
  return tile(t("tile.brake"), value, detail, style, "#waiting=brake");
}

// What a tile says must agree with its colour: a verdict is late from five seconds on, and a guard
// is shown once it has lasted as long; the worker sees to both.
export function tiles(state) {
  const { lanes, overdue, waiting, brake, at } = state.stored;
  const sum = (name) => lanes.reduce((total, lane) => total + (lane[name] ?? 0), 0);
  const lagKnown = lanes.every((lane) => lane.lag !== null);
  const unpublished = lanes.reduce((total, lane) => total + lane.sequence - lane.published, 0);
  const unowned = lanes.filter((lane) => !lane.owner).length;
  const held = Object.entries(state.guards.lanes_held);
  const late = overdue.overdue ? between(overdue.oldest, at) : 0;
  const waits = waitingCount(waiting), more = (waiting.escalations ?? 0) > 100 ? "+" : "", proven = state.guards.proven_at;
  const made = [
    tile(t("tile.overdue"), count(overdue.overdue), overdue.overdue ? t("tile.overdue.some", { span: span(late) }) : t("tile.overdue.none"),
      late > 60 ? "bad" : overdue.overdue ? "warn" : "good"),
    tile(t("tile.guards"), held.length ? held.map(([name]) => t(`guard.${name}`)).join(", ") : t("none"),
      held.length ? t("tile.guards.some", { n: held.map(([, n]) => n).join(", ") }) : t("tile.guards.none"), held.length ? "warn text" : "good"),
    tile(t("tile.waiting"), count(waits) + more, waits ? t("tile.waiting.some") : t("tile.waiting.none"), waits ? "warn" : "good", "#waiting="),
    brakeTile(state, brake, Date.parse(at)),
    tile(t("tile.open"), count(sum("open_deadlines")), unowned ? t("tile.open.unowned", { n: unowned }) : t("tile.open.lanes", { n: lanes.length }),
      unowned ? "bad" : "good"),
    tile(t("tile.lag"), lagKnown ? count(sum("lag")) : t("unknown"), lagKnown ? t("tile.lag.detail") : t("tile.lag.unknown"), lagKnown ? "good" : "bad", "#view=lanes"),
    tile(t("tile.outbox"), count(unpublished), t("tile.outbox.detail"), unpublished > 1000 ? "warn" : "good"),
    tile(t("tile.proven"), proven ? relative(proven, Date.parse(state.at)) : "–", t("tile.proven.detail"), "plain"),
  ];
  const there = [...byId("tiles").children];
  made.forEach((one, index) => {
    if (!there[index]) byId("tiles").append(one);
    else if (!there[index].isEqualNode(one)) {
      const focused = there[index] === document.activeElement;
      there[index].replaceWith(one);
      if (focused) one.focus();
    }
  });
}

export function verdicts(rows) {
  fill(byId("verdicts"), t("verdicts.caption"),
    ["col.decided", "col.order", "col.verdict", "col.reason", "col.after", "col.published"],
    rows.map((one) => [`${one.lane}/${one.sequence}`, [
      time(one.decided_at), orderLink(one.order_id), kind(one.kind), reason(one.reason),
      one.due ? span(between(one.due, one.decided_at)) : "–",
      one.published ? t("yes") : { text: t("not-yet"), style: "warn" },
    ]]), t("verdicts.none"));
}

export function lanes(stored) {
  fill(byId("lanes"), t("lanes.caption"),
    ["col.lane", "col.owner", "col.lag", "col.fresh", "col.open", "col.next", "col.unpublished"],
    stored.lanes.map((lane) => [String(lane.lane), [
      String(lane.lane), lane.owner ?? { text: t("lane.none"), style: "bad" }, count(lane.lag),
      lane.lag === null ? t("unknown") : lane.lag === 0 ? { text: t("lane.fresh"), style: "good" } :
        lane.read_to ? t("lane.behind", { span: span(between(lane.read_to, stored.at)) }) : t("lane.nothing"),
      count(lane.open_deadlines), next(lane.next_verdict, stored.at), count(lane.sequence - lane.published),
    ]]), t("lanes.none"));
}

function next(verdict, at) {
  if (!verdict) return "–";
  const seconds = between(at, verdict);
  if (seconds > 0) return time(verdict);
  return seconds > -5 ? t("lane.due") : { text: t("lane.late", { span: span(seconds) }), style: "warn" };
}

// --- what a screen reader says: changes that matter, and not each turn ------------------------------

let before = null;

export function say(state) {
  const { overdue, waiting, brake } = state.stored;
  const now = {
    overdue: overdue.overdue > 0, guards: Object.keys(state.guards.lanes_held).sort().join(),
    brake: Boolean(brake.tripped_at || state.guards.orders_held_by_the_brake), waiting: waitingCount(waiting),
  };
  if (before) {
    const said = [];
    if (now.overdue && !before.overdue) said.push(t("said.overdue", { n: overdue.overdue }));
    if (now.guards && now.guards !== before.guards) said.push(t("said.guards", { names: now.guards.split(",").map((name) => t(`guard.${name}`)).join(", ") }));
    if (now.brake && !before.brake) said.push(t("said.brake"));
    if (now.waiting > before.waiting) said.push(t("said.waiting", { n: now.waiting - before.waiting }));
    const well = (one) => !one.overdue && !one.guards && !one.brake;
    if (well(now) && !well(before)) said.push(t("said.well"));
    if (said.length) byId("said").textContent = said.join("; ");
  }
  before = now;
}

