// One order: the answer in a sentence, the next step, and what happened.
"use strict";
import { count, exact, relative, t } from "./texts.js";
import { byId, element, link, time } from "./dom.js";

const MOST = 500;

// The worker makes the sentence; only its time is the reader's.
function sentence({ said, at }) {
  const when = at && `${relative(at)} (${exact(at)})`;
  return `${said[0].toUpperCase()}${said.slice(1)}.`.replace("{when}", () => when);
}

const place = (row) => `${row.topic}/${row.partition}/${row.offset}`;
const CHANGES = { "order.deadline-extended": "line.extended", "order.deadline-held": "line.held", "order.deadline-released": "line.released" };

function timeLine(known) {
  const { order } = known, line = [];
  const add = (at, text, style, detail, technical) => at && line.push({ at, text, style, detail, technical });
  if (order) {
    add(order.entered_at, t("line.entered"), "mark", "", place(order));
    if (order.first_due && order.first_due !== order.due) add(order.first_due, t("line.first-due"), "mark");
    add(order.due, t("line.due"), "mark");
    if (!order.outcome) add(order.fires_at, t("line.fires"), "mark");
  }
  for (const act of known.acts) {
    if (act.status in CHANGES) continue; // they come below
    // The order-created says again what the entry says.
    if (order && act.status === "order-created" && act.occurred_at === order.entered_at) continue;
    const judged = act.decisive && act.in_time !== null;
    const notes = judged ? [t(act.in_time ? "line.in-time" : "line.late")] : act.decisive ? [] : [t("line.nothing")];
    if (act.stock_ok !== null) notes.push(t(act.stock_ok ? "line.stock-ok" : "line.stock-wrong"));
    if (act.form_complete === false) notes.push(t("line.form-incomplete"));
    const detail = [t("line.received", { when: exact(act.received_at) }), ...persons(act.body)].join(" · ");
    add(act.occurred_at, [act.status, ...notes].join(", "), judged ? (act.in_time ? "in-time" : "late") : "", detail, place(act));
  }
  for (const change of known.deadline_changes) {
    const until = change.due ? t("line.until", { due: exact(change.due) }) : "";
    const detail = [until, change.counted === false ? t("line.not-counted") : "", change.author, change.reason].filter(Boolean).join(" · ");
    add(change.occurred_at, t(CHANGES[change.kind] ?? change.kind), "mark", detail, place(change));
  }
  for (const row of known.refusals) {
    add(row.received_at, t(row.settled ? "line.letter.settled" : "line.letter"), "late", row.error, place(row));
  }
  for (const version of known.told_differently) add(version.received_at, t("line.version"), "late", "", place(version));
  for (const verdict of known.verdicts) {
    const detail = [t(verdict.published ? "line.published" : "line.unpublished"), verdict.revoked_by ? t("line.taken-back") : ""].filter(Boolean).join(" · ");
    add(verdict.decided_at, `${t(`kind.${verdict.kind}`)}: ${t(`reason.${verdict.reason}`)}`, `verdict ${verdict.kind}`, detail,
      `${verdict.id} · ${verdict.lane}/${verdict.sequence}`);
  }
  return line.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

// The persons that a record names, where they were asked for.
function persons(body) {
  if (!body) return [];
  try {
    const { responsible, dispute } = JSON.parse(body);
    return [responsible, dispute?.responsible, dispute?.text].filter((one) => typeof one === "string");
  } catch {
    return [];
  }
}

function field(name, value) {
  if (value === null || value === undefined || value === "") return [];
  const data = element("dd");
  data.append(value);
  return [element("dt", t(name)), data];
}

export function showOrder(id, status, known, session) {
  const section = byId("order");
  const title = element("h2", `${t("order")} `);
  title.append(element("span", id, "id"));
  title.tabIndex = -1;
  const parts = [title];
  if (status !== 200) {
    parts.push(element("p", status === 404 ? t("no-record") : known.error, "summary"), element("p", t("spelling"), "soft"));
  } else {
    const order = known.order ?? {};
    parts.push(element("p", sentence(known.answer), "summary"));
    const next = element("p", null, known.answer.waits ? "next waits" : "next");
    next.append(element("strong", `${t("order.next")}: `), known.answer.next_step);
    parts.push(next);
    const fields = element("dl");
    fields.append(
      ...field("order.due", order.due && `${exact(order.due)} (${relative(order.due)})`),
      ...field("order.seller", order.seller_id && link(order.seller_id, { search: order.seller_id })),
      ...field("order.mode", order.fulfilment && t(`mode.${order.fulfilment}`)),
      ...field("order.total", order.total && `${order.total} ${order.currency ?? ""}`),
    );
    parts.push(fields, element("h3", t("order.line")));
    const list = element("ol"), technical = element("ol", null, "technical");
    for (const one of timeLine(known)) {
      const item = element("li", null, one.style);
      item.append(time(one.at, exact), element("span", one.text), element("small", one.detail));
      list.append(item);
      if (one.technical) {
        const detail = element("li");
        detail.append(element("span", one.text), element("small", one.technical, "id"));
        technical.append(detail);
      }
    }
    parts.push(list);
    if (known.acts.length >= MOST) parts.push(element("p", t("order.cut", { n: count(MOST) }), "soft"));
    if (session.personal && !known.personal) {
      const note = element("p", null, "soft");
      note.append(link(t("order.persons"), { order: id, personal: "" }), ` ${t("order.persons.note")}`);
      parts.push(note);
    }
    const details = element("details"), more = element("dl");
    more.append(
      ...field("order.lane", order.lane !== undefined && order.lane !== null && t("order.read-by", { lane: order.lane, owner: order.owner ?? t("order.nobody") })),
      ...field("order.policy", order.policy && `${order.policy} (${order.policy_version})`),
    );
    details.append(element("summary", t("order.details")), more, technical);
    parts.push(details);
  }
  section.replaceChildren(...parts);
  return title;
}
