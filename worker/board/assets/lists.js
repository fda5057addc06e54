// The lists: what waits for a person, all decisions, and the orders that a search finds.
"use strict";
import { count, exact, t } from "./texts.js";
import { byId, element, fill, link, orderLink, time } from "./dom.js";
import { kind, reason } from "./overview.js";

const LIMIT = 100;

function orders(ids) {
  const made = element("span");
  ids.forEach((id, index) => made.append(...(index ? [", "] : []), orderLink(id)));
  return ids.length ? made : t("no");
}

const sellersDecisions = (id) => (id ? link(id, { waiting: "decisions", seller: id }) : "–");
const seller = (id) => (id ? link(id, { search: id }) : "–");

const LISTS = {
  escalations: {
    columns: ["col.decided", "col.order", "col.seller", "col.reason", "col.due"], count: "escalations", by: ["reason"], support: true,
    row: (one) => [`${one.lane}/${one.sequence}`, [time(one.decided_at), orderLink(one.order_id), seller(one.seller_id), reason(one.reason), time(one.due)]],
  },
  holds: {
    columns: ["col.held", "col.order", "col.seller", "col.due", "col.policy"], count: "holds", support: true,
    row: (one) => [one.order_id, [time(one.held_at), orderLink(one.order_id), seller(one.seller_id), time(one.due), one.policy]],
  },
  "dead-letters": {
    columns: ["col.id", "col.received", "col.error", "col.record", "col.shields"], count: "dead_letters", by: ["error"],
    row: (one) => [String(one.id), [link(String(one.id), { letter: one.id }), time(one.received_at), one.error, `${one.topic}/${one.partition}/${one.offset}`, orders(one.orders)]],
  },
  orphans: {
    columns: ["col.received", "col.order", "col.acts", "col.first", "col.last"], count: "orphans",
    row: (one) => [one.order_id, [time(one.received_at), orderLink(one.order_id), count(one.acts), `${one.first_status}, ${one.first_place}`, `${one.last_status}, ${one.last_place}`]],
  },
  "unknown-statuses": {
    columns: ["col.status", "col.topic", "col.acts", "col.first", "col.last"], count: "unknown_statuses",
    row: (one) => [`${one.topic}/${one.status}`, [one.status || "…", one.topic, count(one.records), time(one.first_at), time(one.last_at)]],
  },
  brake: { columns: [], count: null, row: null },
  decisions: {
    columns: ["col.decided", "col.order", "col.seller", "col.verdict", "col.reason", "col.due", "col.published"], by: ["kind", "reason", "seller"], support: true, apart: true,
    row: (one) => [`${one.lane}/${one.sequence}`, [time(one.decided_at), orderLink(one.order_id), sellersDecisions(one.seller_id), kind(one.kind), reason(one.reason), time(one.due),
      one.revoked_at ? t("line.taken-back") : t(one.published ? "yes" : "not-yet")]],
  },
};

export const names = (session) => Object.keys(LISTS).filter((name) => session.role === "operator" || LISTS[name].support);
// Those that stand together under tabs.
const tabbed = (session) => names(session).filter((name) => !LISTS[name].apart);
export const isApart = (name) => Boolean(LISTS[name]?.apart);

// What the worker is asked for: the filters of the list that the page's address names.
export const filters = (name, values) => {
  const known = [...(LISTS[name].by ?? []), ...(LISTS[name].apart ? ["after"] : [])];
  return Object.fromEntries(known.filter((one) => values.get(one)).map((one) => [one, values.get(one)]));
};

// The tabs of the lists, each with its count where one is known.
export function tabs(current, session, waiting) {
  byId("tabs").hidden = isApart(current);
  byId("tabs").replaceChildren(...tabbed(session).map((name) => {
    const n = waiting?.[LISTS[name].count], item = element("li");
    const made = link(t(`list.${name}`) + (n ? ` (${count(n)}${n >= 10000 || (name === "escalations" && n > LIMIT) ? "+" : ""})` : ""), { waiting: name });
    if (name === current) made.setAttribute("aria-current", "page");
    item.append(made);
    return item;
  }));
}

export function showList(name, body, stored, asked) {
  byId("list-title").textContent = t(`list.${name}`);
  byId("list-help").textContent = t(`help.${name}`);
  byId("filters").hidden = name === "brake";
  byId("list").hidden = name === "brake";
  byId("brake").hidden = name !== "brake";
  if (name === "brake") return showBrake(stored);
  const wanted = byId("filter").value.trim().toLowerCase();
  const text = (row) => row[1].map((cell) => cell?.textContent ?? cell?.text ?? cell ?? "").join(" ").toLowerCase();
  const rows = body.rows.map(LISTS[name].row).filter((row) => !wanted || text(row).includes(wanted));
  choices(name, body.rows, asked);
  fill(byId("list"), t(`list.${name}`), LISTS[name].columns, rows, t("list.none"));
  byId("list-more").replaceChildren(note(body, LIMIT), ...(body.next ? [" ", link(t("older"), { waiting: name, ...asked, after: body.next })] : []));
}

// What the answer leaves out.
function note(body, limit) {
  const days = body.days === undefined ? "" : body.days ? t("last-days", { n: body.days }) : t("too-many");
  return [body.more && body.days !== 0 ? t("more", { n: count(limit) }) : "", days].filter(Boolean).join(" ");
}

// The values by which the worker can filter the list. Each select keeps those that it has shown.
const SHOWN_AS = { reason, kind: (code) => kind(code).text };
function choices(name, rows, asked) {
  const fields = LISTS[name].by ?? [], place = byId("choices");
  if (place.dataset.of !== name) place.replaceChildren();
  place.dataset.of = name;
  fields.forEach((field, index) => {
    const select = place.querySelector(`[name=${field}]`) ?? element("select");
    const known = new Set([...select.options].map((one) => one.value));
    for (const one of [asked[field], ...rows.map((row) => row[field === "seller" ? "seller_id" : field])]) if (one) known.add(one);
    const wanted = ["", ...[...known].filter(Boolean).sort()], mark = JSON.stringify([wanted, t("filter.all")]);
    if (select.dataset.mark !== mark) {
      select.dataset.mark = mark;
      select.replaceChildren(...wanted.map((value) => {
        const option = element("option", value ? SHOWN_AS[field]?.(value) ?? value : t("filter.all"));
        option.value = value;
        return option;
      }));
    }
    select.value = asked[field] ?? "";
    if (!select.name) {
      select.name = field;
      const label = element("label");
      label.append(element("span"), " ", select);
      place.append(label);
    }
    place.children[index].firstChild.textContent = t(field === "kind" ? "col.verdict" : `col.${field}`);
  });
}

function showBrake(stored) {
  byId("list-more").textContent = "";
  if (!stored) return;
  const { brake } = stored, list = element("dl");
  const add = (name, value) => value && list.append(element("dt", name), element("dd", value));
  const state = brake.tripped_at ? t("brake.tripped") : brake.limited ? t("brake.ready") : t("brake.off");
  add(t("col.state"), state);
  add(t("brake.auto-cancels"), brake.limited ? t("brake.usage", { cancels: count(brake.cancels), lapsed: count(brake.lapsed) }) : t("brake.not-counted"));
  add(t("brake.tripped"), brake.tripped_at && exact(brake.tripped_at));
  add(t("brake.released"), brake.released_until && exact(brake.released_until));
  add(t("brake.escalating"), brake.escalate_until && exact(brake.escalate_until));
  byId("brake").replaceChildren(list);
}

export function showLetter(id, status, one) {
  const title = element("h2", t("letter", { id }));
  title.tabIndex = -1;
  const parts = [title];
  if (status !== 200) parts.push(element("p", one.error, "summary"));
  else {
    const list = element("dl");
    const add = (name, value) => {
      const data = element("dd");
      data.append(value);
      list.append(element("dt", t(name)), data);
    };
    add("col.error", one.error);
    add("letter.message", one.message);
    add("letter.place", `${one.topic}/${one.partition}/${one.offset}`);
    add("col.received", time(one.received_at, exact));
    add("letter.size", t("letter.bytes", { key: count(one.key_bytes ?? 0), value: count(one.value_bytes ?? 0), headers: count(one.headers) }));
    add("letter.orders", one.orders.length ? orders(one.orders) : one.astray ? t("letter.astray") : t("none"));
    add("col.published", one.published ? t("yes") : t("not-yet"));
    add("letter.settled", one.settled ? t("letter.settled-by", { how: one.settled, who: one.settled_by }) : t("letter.open"));
    if (!one.settled) add("letter.command", element("code", `plazo dead-letters replay ${one.id}`));
    parts.push(list);
  }
  byId("letter").replaceChildren(...parts);
  return title;
}

export function showFound(asked, body) {
  byId("found-title").textContent = `${t("find")}: ${asked}`;
  fill(byId("found"), `${t("find")}: ${asked}`, ["col.order", "col.seller", "col.entered", "col.due", "col.state"],
    body.orders.map((one) => [one.order_id, [
      orderLink(one.order_id), seller(one.seller_id), time(one.entered_at), time(one.due),
      t(`outcome.${one.status}`),
    ]]), `${t("nothing-found")} ${t("spelling")}`);
  const bySeller = body.days === undefined ? [] : [" ", link(t("list.decisions"), { waiting: "decisions", seller: asked })];
  byId("found-more").replaceChildren(note(body, body.orders.length), ...bySeller);
}
