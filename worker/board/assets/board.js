// The board: which page is shown, and the loop that keeps it fresh.
"use strict";
import { ask, hasToken, Locked, setToken } from "./ask.js";
import { charts } from "./charts.js";
import { byId, translate } from "./dom.js";
import { filters, isApart, names, showFound, showLetter, showList, tabs } from "./lists.js";
import { showOrder } from "./order.js";
import { lanes, say, tiles, verdicts } from "./overview.js";
import { between, language, nextZone, offerZone, relative, switchLanguage, switchZone, t, zone } from "./texts.js";

const INTERVAL = 2000, SLOW = 10000;
const PAGES = ["overview", "list-page", "lanes-page", "found-page", "order", "letter"];

let session = null, state = null, chartData = null, chartsAt = 0, list = null, again, turn = 0, focusDue = false;

const hash = () => new URLSearchParams(location.hash.slice(1));

function page(values) {
  for (const [name, id] of [["order", "order"], ["letter", "letter"], ["search", "found-page"], ["waiting", "list-page"]]) {
    if (values.has(name)) return id;
  }
  if (session.role !== "operator") return "list-page";
  return values.get("view") === "lanes" ? "lanes-page" : "overview";
}

const listName = (values) => {
  const all = names(session), wanted = values.get("waiting");
  if (all.includes(wanted)) return wanted;
  return all.find((name) => state?.stored?.waiting?.[name.replaceAll("-", "_")]) ?? all[0];
};
const chosen = () => Object.fromEntries([...document.querySelectorAll("#choices select")].map((one) => [one.name, one.value]));

function show(id) {
  for (const one of PAGES) byId(one).hidden = one !== id;
  for (const one of document.querySelectorAll("nav a")) {
    const apart = id === "list-page" && isApart(listName(hash()));
    if (one.dataset.page === id && (one.dataset.list !== undefined) === apart) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
    one.hidden = session.role !== "operator" && one.dataset.page !== "list-page";
  }
}

// --- pages that are asked for once --------------------------------------------------------------------

// Answers may come in another order than their questions.
async function go(focus) {
  if (!session) return;
  focusDue ||= focus; // a page that overtakes another takes over its focus
  const mine = ++turn, values = hash(), id = page(values);
  const current = () => mine === turn;
  show(id);
  let title = byId(id).querySelector("h2");
  try {
    if (id === "order") {
      const personal = values.has("personal") && session.personal;
      const order = values.get("order");
      byId("order-id").value = order;
      const { status, body } = await ask("order.json", { id: order, language: language(), ...(personal ? { personal: "1" } : {}) });
      if (!current()) return;
      title = showOrder(order, status, { ...body, personal }, session);
    } else if (id === "letter") {
      const { status, body } = await ask("dead-letter.json", { id: values.get("letter") });
      if (!current()) return;
      title = showLetter(values.get("letter"), status, body);
    } else if (id === "found-page") {
      const asked = values.get("search");
      byId("order-id").value = asked;
      const { body } = await ask("search.json", { q: asked });
      if (!current()) return;
      showFound(asked, body.orders ? body : { orders: [] });
    } else if (id === "list-page") {
      await readList(values, current);
    } else {
      redraw();
    }
  } catch (error) {
    if (error instanceof Locked) return locked(error);
    notice(t("notice.silent"));
  }
  if (focusDue && current()) {
    focusDue = false;
    // A page of its own: a screen reader begins at its title.
    title.tabIndex = -1;
    title.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

async function readList(values, current) {
  const name = listName(values);
  tabs(name, session, state?.stored?.waiting);
  if (name !== "brake") {
    const { status, body } = await ask("list.json", { of: name, ...filters(name, values) });
    if (!current()) return;
    list = { of: name, ...(status === 200 ? body : { rows: [], more: false }) };
    if (status !== 200) notice(body.error);
  }
  showList(name, list, state?.stored, filters(name, values));
}

byId("search").addEventListener("submit", async (event) => {
  event.preventDefault();
  const asked = byId("order-id").value.trim();
  const { body } = await ask("search.json", { q: asked });
  // The whole id of an order, or the only one: straight to its page.
  const exactly = body.orders?.find((one) => one.order_id === asked);
  const only = body.orders?.length === 1 ? body.orders[0] : null;
  const order = exactly ?? only;
  const next = order ? { order: order.order_id } : body.orders?.length ? { search: asked } : { order: asked };
  const target = `#${new URLSearchParams(next)}`;
  if (location.hash === target) go(true);
  else location.hash = target;
});
byId("filter").addEventListener("input", () => {
  // The list of another page may still be on its way.
  if (list && list.of === listName(hash())) showList(list.of, list, state?.stored, filters(list.of, hash()));
});
byId("choices").addEventListener("change", () => {
  const wanted = Object.entries(chosen()).filter(([, value]) => value);
  location.hash = new URLSearchParams([["waiting", listName(hash())], ...wanted]);
});
addEventListener("hashchange", (event) => {
  // A filter is no page of its own: the focus stays in it.
  const waiting = (url) => new URLSearchParams(new URL(url).hash.slice(1)).get("waiting");
  go(waiting(event.oldURL) === null || waiting(event.oldURL) !== waiting(event.newURL));
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});

// --- switches ---------------------------------------------------------------------------------------

function relabel() {
  document.documentElement.lang = language();
  translate();
  byId("zone").textContent = t("zone.local", { zone: zone() });
  byId("zone").title = t("zone.switch", { zone: nextZone() });
  byId("zone").hidden = nextZone() === zone();
  byId("language").textContent = t("language");
  byId("language").title = t("language.switch");
  byId("language").lang = language() === "en" ? "es" : "en";
  if (!session) return;
  byId("who").textContent = session.user ? t("signed-in", { user: session.user }) : "";
  byId("mode").textContent = session.mode === "shadow" ? t("shadow") : "";
  byId("footer").textContent = `${t("footer", { version: session.version })} · ${t("zone.local", { zone: zone() })}`;
}

byId("zone").addEventListener("click", () => { switchZone(); relabel(); redraw(); go(false); });
byId("language").addEventListener("click", () => { switchLanguage(); relabel(); redraw(); go(false); });
let resized;
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(redraw, 150); });

// --- the loop ---------------------------------------------------------------------------------------

function notice(text) {
  if (byId("notice").textContent !== text) byId("notice").textContent = text;
  if (byId("notice").hidden !== !text) byId("notice").hidden = !text;
}

function locked(error) {
  clearTimeout(again);
  session = null;
  byId("unlock").hidden = !error.token;
  byId("refused").textContent = error.token ? (hasToken() ? t("token.wrong") : "") : "";
  if (!error.token) notice(t("refused", { why: error.message }));
  for (const id of ["board", "search", "nav"]) byId(id).hidden = true;
  if (error.token) byId("token").focus();
}

function redraw() {
  if (!state) return;
  const stored = state.stored, notes = [];
  if (!state.ready) notes.push(t("notice.not-ready", { why: state.reasons.join("; ") }));
  if (!stored) notes.push(t("notice.nothing"));
  else if (between(stored.at, state.at) > 4) notes.push(t("notice.old", { ago: relative(stored.at, Date.parse(state.at)) }));
  notice(notes.join(" "));
  if (!stored) return;
  tiles(state);
  verdicts(stored.verdicts);
  lanes(stored);
  if (chartData && !byId("overview").hidden) charts(chartData);
}

async function signIn() {
  const { status, body } = await ask("session.json");
  if (status !== 200) {
    notice(t("refused", { why: body.error }));
    return false;
  }
  session = body;
  offerZone(session.zone);
  byId("unlock").hidden = true;
  for (const id of ["board", "search", "nav"]) byId(id).hidden = false;
  relabel();
  return true;
}

async function look() {
  clearTimeout(again);
  let first = false;
  try {
    if (!session) {
      if (!(await signIn())) return;
      first = true;
    }
    if (session.role === "operator") {
      const { status, body } = await ask("board.json");
      if (status === 200) {
        state = body;
        if (first) show(page(hash()));
        redraw();
        if (state.stored) say(state);
      }
      if (!byId("overview").hidden && Date.now() - chartsAt > (chartData?.verdicts?.whole && chartData.lapses?.whole ? SLOW : INTERVAL) - 100) {
        chartsAt = Date.now();
        const answer = await ask("charts.json");
        if (answer.status === 200) charts(chartData = answer.body);
      }
    } else if (!first) await ask("session.json");
    if (first) await go(false);
    else if (!byId("list-page").hidden && Date.now() - chartsAt > SLOW) {
      chartsAt = Date.now();
      const mine = turn;
      await readList(hash(), () => mine === turn);
    }
  } catch (error) {
    if (error instanceof Locked) return locked(error);
    notice(t("notice.silent"));
  }
  // Nobody looks at a tab in the background. Support sees nothing that changes by the second.
  again = setTimeout(() => (document.hidden ? null : look()), session?.role === "support" ? SLOW : INTERVAL);
}
document.addEventListener("visibilitychange", () => document.hidden || look());

byId("unlock").addEventListener("submit", async (event) => {
  event.preventDefault();
  setToken(byId("token").value);
  byId("token").value = "";
  await look();
});

relabel();
look();
