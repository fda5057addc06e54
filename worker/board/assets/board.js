// The board: asks /board.json again and again, and /order.json for the order searched for.
// What comes from a record is only ever set as text, never as markup.
"use strict";

const INTERVAL = 2000;
const KEPT = 90; // points of a spark line
const byId = (id) => document.getElementById(id);

// The token comes in the fragment, which no browser sends to any server, or from the form.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem("token", given);
  history.replaceState(null, "", location.pathname);
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const count = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en"));
const moment = (iso) => (iso ? iso.replace("T", " ").replace(/(\.\d{3})\d*/, "$1") : "–");

function span(seconds) {
  const size = Math.abs(seconds);
  if (size < 10) return `${size.toFixed(size < 0.0005 ? 0 : 2)} s`;
  if (size < 120) return `${Math.round(size)} s`;
  if (size < 7200) return `${Math.round(size / 60)} min`;
  return size < 172800 ? `${Math.round(size / 3600)} h` : `${Math.round(size / 86400)} days`;
}

const between = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

async function ask(path) {
  const token = sessionStorage.getItem("token") ?? "";
  // A header holds bytes: what is no token is not sent, and refused like any other.
  const sent = /^[\x21-\x7e]*$/.test(token) ? token : "";
  const response = await fetch(path, { headers: { Authorization: `Bearer ${sent}` } });
  return { status: response.status, body: await response.json() };
}

function fill(table, rows, nothing) {
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const made = rows.map((cells) => {
    const row = element("tr");
    cells.forEach((cell, index) => {
      const one = cell instanceof Node ? element("td") : element("td", cell.text ?? cell, cell.style);
      if (cell instanceof Node) one.append(cell);
      one.dataset.name = names[index];
      row.append(one);
    });
    return row;
  });
  if (!made.length) {
    const row = element("tr"), one = element("td", nothing, "none");
    one.colSpan = names.length;
    row.append(one);
    made.push(row);
  }
  table.tBodies[0].replaceChildren(...made);
}

// --- at a glance -------------------------------------------------------------------------------

const seenOf = { applied: [], decided: [] };

function rate(name, at, value) {
  const seen = seenOf[name];
  if (!seen.length || seen.at(-1).at !== at) seen.push({ at, value });
  if (seen.length > KEPT) seen.shift();
  return seen.slice(1).map((one, index) => {
    const before = seen[index];
    return Math.max(0, (one.value - before.value) / Math.max(0.001, between(before.at, one.at)));
  });
}

function spark(values) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${KEPT - 2} 20`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const top = Math.max(...values, 1e-9);
  const line = document.createElementNS(svg.namespaceURI, "polyline");
  const first = KEPT - 1 - values.length;
  line.setAttribute("points", values.map((v, i) => `${first + i},${19 - (18 * v) / top}`).join(" "));
  svg.append(line);
  return svg;
}

function tile(name, value, detail, style, values) {
  const made = element("div", null, `tile ${style}`);
  made.append(element("span", name), element("b", value), element("small", detail));
  if (values) made.append(spark(values));
  return made;
}

function tiles(state, stored) {
  const { lanes, overdue, dead_letters: letters, brake } = stored;
  const sum = (name) => lanes.reduce((total, lane) => total + (lane[name] ?? 0), 0);
  const lagKnown = lanes.every((lane) => lane.lag !== null);
  const unpublished = lanes.reduce((total, lane) => total + lane.sequence - lane.published, 0);
  const unowned = lanes.filter((lane) => !lane.owner).length;
  const held = Object.entries(state.guards.lanes_held);
  const late = overdue.oldest ? between(overdue.oldest, stored.at) : 0;
  const braked = state.guards.orders_held_by_the_brake;
  const now = Date.parse(stored.at);
  const tripped = Boolean(brake.tripped_at);
  const released = brake.released_until && Date.parse(brake.released_until) > now;
  const escalates = brake.escalate_until && Date.parse(brake.escalate_until) > now;
  const applied = rate("applied", stored.at, sum("offsets"));
  const decided = rate("decided", stored.at, sum("sequence"));
  const proven = state.guards.proven_at;
  const few = (n) => n.toLocaleString("en", { maximumFractionDigits: n < 100 ? 1 : 0 });
  byId("tiles").replaceChildren(
    tile("Overdue verdicts", count(overdue.overdue),
      overdue.overdue ? `the oldest by ${span(late)}` : "none is late",
      late > 60 ? "bad" : late > 5 ? "warn" : "good"),
    tile("Guards", held.length ? held.map(([name]) => name).join(", ") : "none",
      held.length ? `hold ${held.map(([, n]) => n).join(", ")} of this worker's lanes` : "no verdict is held back",
      held.length ? "warn" : "good"),
    tile("Lag", lagKnown ? count(sum("lag")) : "unknown", lagKnown ? "records, all lanes" : "Kafka does not answer",
      lagKnown ? "good" : "bad"),
    tile("Outbox", count(unpublished), "verdicts not yet published", unpublished > 1000 ? "warn" : "good"),
    tile("Brake", braked ? count(braked) : released ? "released" : tripped ? "tripped" : brake.limited ? "ready" : "no limits",
      braked ? `auto-cancels held${escalates ? ", escalating" : ""}` :
        `${tripped ? "holds until it is reset, " : ""}${count(brake.cancels)} auto-cancels of ${count(brake.lapsed)} lapsed in its window`,
      braked || released || escalates || tripped ? "warn" : brake.limited ? "good" : "plain"),
    tile("Dead letters", count(letters.open) + (letters.open >= letters.of_latest ? "+" : ""),
      letters.open ? "open" : "none is open", letters.open ? "warn" : "good"),
    tile("Open deadlines", count(sum("open_deadlines")), unowned ? `${unowned} lanes have no worker` : `${lanes.length} lanes`,
      unowned ? "bad" : "good"),
    tile("Proven", proven ? `${span(between(proven, state.at))} ago` : "–", "all inputs read up to then, at the last verdict", "plain"),
    tile("Records applied", `${few(applied.at(-1) ?? 0)}/s`, "", "plain", applied),
    tile("Verdicts", `${few(decided.at(-1) ?? 0)}/s`, "", "plain", decided),
  );
}

// --- tables ------------------------------------------------------------------------------------

function explainLink(id) {
  const link = element("a", id);
  link.href = `#order=${encodeURIComponent(id)}`;
  return link;
}

const STYLES = { "auto-cancel": "bad", escalation: "warn", "decision-revoked": "good" };

function tables(stored) {
  fill(byId("lanes"), stored.lanes.map((lane) => [
    String(lane.lane),
    lane.owner ?? { text: "no worker", style: "bad" },
    count(lane.lag),
    lane.lag === null ? "–" : lane.lag === 0 ? { text: "up to date", style: "good" } :
      lane.read_to ? { text: `${span(between(lane.read_to, stored.at))} behind`, style: "warn" } : "nothing read yet",
    count(lane.open_deadlines),
    lane.next_verdict ? `${between(stored.at, lane.next_verdict) < 0 ? "for " : "in "}${span(between(stored.at, lane.next_verdict))}` : "–",
    count(lane.sequence - lane.published),
  ]), "no lane has been taken yet");
  fill(byId("verdicts"), stored.verdicts.map((one) => [
    moment(one.decided_at), explainLink(one.order_id),
    { text: one.kind, style: STYLES[one.kind] }, one.reason,
    one.due ? span(between(one.due, one.decided_at)) : "–",
    one.published ? "yes" : { text: "not yet", style: "warn" },
  ]), "no verdict has fallen yet");
  fill(byId("letters"), stored.dead_letters.latest.map((one) => [
    String(one.id), moment(one.received_at), `${one.topic}/${one.partition}/${one.offset}`,
    one.error, one.shields ? { text: "yes", style: "warn" } : "no",
  ]), "none is open");
}

// --- one order ---------------------------------------------------------------------------------

function timeLine(known) {
  const { order } = known, line = [];
  const add = (at, text, style, detail) => at && line.push({ at, text, style, detail });
  const place = (row) => `${row.topic}/${row.partition}/${row.offset}`;
  if (order) {
    add(order.entered_at, "entered the system", "mark", place(order));
    if (order.first_due && order.first_due !== order.due) add(order.first_due, "due at first", "mark");
    add(order.due, "due", "mark", order.policy ? `policy ${order.policy}, at lapse: ${order.at_lapse}` : "");
    if (!order.outcome) add(order.fires_at, "the verdict falls from here on", "mark");
  }
  for (const act of known.acts) {
    const judged = act.decisive && act.in_time !== null;
    add(act.occurred_at, judged ? `${act.status}, ${act.in_time ? "in time" : "too late"}` : act.status,
      judged ? (act.in_time ? "in-time" : "late") : "", `received ${moment(act.received_at)} · ${place(act)}`);
  }
  for (const change of known.deadline_changes) {
    add(change.occurred_at, change.kind.replace("order.", "") + (change.due ? ` to ${moment(change.due)}` : ""),
      "mark", change.counted === false ? "does not count" : "");
  }
  for (const row of known.refusals) {
    add(row.received_at, `dead letter ${row.id}: ${row.error}`, "late", place(row));
  }
  for (const verdict of known.verdicts) {
    add(verdict.decided_at, `${verdict.kind}: ${verdict.reason}`, "verdict",
      `${verdict.published ? "published" : "not yet published"} · sequence ${verdict.lane}/${verdict.sequence} · ${verdict.id}`);
  }
  return line.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

function showOrder(id, status, known) {
  byId("order-title").textContent = id;
  byId("order-summary").textContent = status === 200 ? known.summary : known.error;
  byId("order-fields").replaceChildren();
  byId("order-line").replaceChildren();
  if (status === 200) {
    const order = known.order ?? {};
    for (const [name, value] of [["seller", order.seller_id], ["mode", order.fulfilment],
      ["total", order.total && `${order.total} ${order.currency ?? ""}`],
      ["lane", order.lane !== undefined ? `${order.lane}, read by ${order.owner ?? "nobody"}` : null],
      ["finding", order.finding], ["outcome", order.outcome]]) {
      if (value) byId("order-fields").append(element("dt", name), element("dd", value));
    }
    byId("order-line").append(...timeLine(known).map((one) => {
      const item = element("li", null, one.style);
      const time = element("time", moment(one.at));
      time.dateTime = one.at;
      item.append(time, element("span", one.text), element("small", one.detail));
      return item;
    }));
  }
  byId("order").hidden = false;
  byId("order").scrollIntoView({ block: "nearest" });
}

async function explain() {
  const id = new URLSearchParams(location.hash.slice(1)).get("order");
  if (!id) {
    byId("order").hidden = true;
    return;
  }
  byId("order-id").value = id;
  try {
    const { status, body } = await ask(`order.json?id=${encodeURIComponent(id)}`);
    if (status === 401) return locked();
    showOrder(id, status, body);
  } catch {
    showOrder(id, 0, { error: "the worker does not answer" });
  }
}

byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const hash = `#order=${encodeURIComponent(byId("order-id").value.trim())}`;
  if (location.hash === hash) explain();
  else location.hash = hash;
});
byId("order-close").addEventListener("click", () => { location.hash = ""; });
addEventListener("hashchange", explain);

// --- the loop ----------------------------------------------------------------------------------

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

function locked() {
  clearTimeout(again);
  byId("refused").textContent = sessionStorage.getItem("token") ? "This token is not right." : "";
  byId("unlock").hidden = false;
  byId("board").hidden = true;
  byId("search").hidden = true;
}

function show(state) {
  const stored = state.stored;
  byId("worker").textContent = `${state.mode} · ${state.worker}`;
  byId("footer").textContent = `Plazo ${state.version}, schema ${state.schema} · times are UTC · ${moment(state.at)}`;
  const notes = [];
  if (!state.ready) notes.push(`this worker is not ready: ${state.reasons.join("; ")}`);
  if (!stored) notes.push("nothing has been read from Postgres yet");
  else if (between(stored.at, state.at) > 1) notes.push(`Postgres does not answer: this is what it held at ${moment(stored.at)}`);
  notice(notes.join(" · "));
  if (stored) {
    tiles(state, stored);
    tables(stored);
  }
}

let again;
async function look() {
  clearTimeout(again);
  try {
    const { status, body } = await ask("board.json");
    if (status === 401) return locked();
    byId("unlock").hidden = true;
    byId("search").hidden = byId("board").hidden = false;
    show(body);
  } catch {
    byId("board").hidden = false;
    notice("the worker does not answer; what is shown is old");
  }
  // Nobody looks at a tab in the background.
  again = setTimeout(() => (document.hidden ? null : look()), INTERVAL);
}
document.addEventListener("visibilitychange", () => document.hidden || look());

byId("unlock").addEventListener("submit", async (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", byId("token").value);
  byId("token").value = "";
  await look();
  explain();
});

look().then(explain);
