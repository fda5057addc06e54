// Elements, and tables whose rows stay where they are while their content changes: a focused link
// keeps the focus, and a screen reader its place. What comes from a record is set as text, never as
// markup.
"use strict";
import { exact, relative, t } from "./texts.js";

export const byId = (id) => document.getElementById(id);

export function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function link(text, hash, className) {
  const made = element("a", text, className);
  made.href = `#${new URLSearchParams(hash)}`;
  return made;
}

export const orderLink = (id) => link(id, { order: id }, "id");

// A time for people: how long ago, and the exact time as title; or the other way round.
export function time(iso, first = relative) {
  if (!iso) return element("span", "–");
  const made = element("time", first(iso));
  made.dateTime = iso;
  made.title = first === relative ? exact(iso) : relative(iso);
  return made;
}

// A cell: a node, a text, or a text with a style.
function cell(content, name) {
  const made = element("td");
  made.setAttribute("role", "cell");
  if (content instanceof Node) made.append(content);
  else {
    made.textContent = content?.text ?? content ?? "–";
    if (content?.style) made.className = content.style;
  }
  made.dataset.name = name;
  return made;
}

// columns: keys of texts. rows: [key, cells]. The table must stand in the page already.
export function fill(table, caption, columns, rows, nothing) {
  const names = columns.map((column) => t(column));
  const head = JSON.stringify([caption, names]);
  if (table.dataset.head !== head) {
    table.dataset.head = head;
    table.setAttribute("role", "table");
    const row = element("tr");
    row.setAttribute("role", "row");
    for (const name of names) {
      const one = element("th", name);
      one.scope = "col";
      one.setAttribute("role", "columnheader");
      row.append(one);
    }
    const thead = element("thead"), tbody = element("tbody");
    thead.setAttribute("role", "rowgroup");
    tbody.setAttribute("role", "rowgroup");
    thead.append(row);
    table.replaceChildren(element("caption", caption), thead, tbody);
  }
  const body = table.tBodies[0];
  const there = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const wanted = rows.length ? rows : [["", [{ text: nothing, style: "none" }]]];
  wanted.forEach(([key, cells], index) => {
    let row = there.get(key);
    there.delete(key);
    if (!row) {
      row = element("tr");
      row.setAttribute("role", "row");
      row.dataset.key = key;
    }
    cells.forEach((content, at) => {
      const made = cell(content, names[at]), old = row.cells[at];
      if (!rows.length) made.colSpan = names.length;
      if (!old) row.append(made);
      else if (!old.isEqualNode(made)) old.replaceWith(made);
    });
    if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null);
  });
  for (const row of there.values()) row.remove();
}

// The page's own texts: those of elements with data-text, and of labels with data-label.
export function translate() {
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = t(one.dataset.text);
  for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", t(one.dataset.label));
  for (const one of document.querySelectorAll("[data-hint]")) one.placeholder = t(one.dataset.hint);
}
