// The words, numbers and times of the page, in the reader's language and zone.
"use strict";

const tables = await (await fetch("texts.json")).json();

const wanted = navigator.languages.map((one) => one.slice(0, 2)).find((one) => one in tables);
const kept = (name) => {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // a browser may forbid it
  }
};
const keep = (name, value) => {
  try {
    localStorage.setItem(name, value);
  } catch {
    // then for this page only
  }
};

export const LOCAL = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const chosen = { language: kept("language") ?? wanted ?? "en", zone: kept("zone") };
let zones = [...new Set([LOCAL, "UTC"])];
if (!(chosen.language in tables)) chosen.language = "en";

export const language = () => chosen.language;
export const zone = () => (zones.includes(chosen.zone) ? chosen.zone : LOCAL);
export const nextZone = () => zones[(zones.indexOf(zone()) + 1) % zones.length];

// The zone of the marketplace, beside that of the browser and UTC; a browser may not know it.
export function offerZone(name) {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    zones = [...new Set([LOCAL, name, "UTC"])];
  } catch {
    // then it cannot show it
  }
}

export function switchLanguage() {
  chosen.language = chosen.language === "en" ? "es" : "en";
  keep("language", chosen.language);
}

export function switchZone() {
  chosen.zone = nextZone();
  keep("zone", chosen.zone);
}

// The text of a key with its places filled in; a code that no table knows is shown as it is.
export function t(key, values = {}) {
  const text = tables[chosen.language][key] ?? key.slice(key.indexOf(".") + 1);
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "–");
}

export const count = (value) =>
  value === null || value === undefined ? "–" : value.toLocaleString(chosen.language);

export const between = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

export function span(seconds) {
  const size = Math.abs(seconds);
  const [unit, n] = size < 120 ? ["s", size] : size < 7200 ? ["min", size / 60] :
    size < 172800 ? ["h", size / 3600] : ["days", size / 86400];
  return t(unit, { n: Math.round(n) });
}

export function relative(iso, now = Date.now()) {
  const seconds = (Date.parse(iso) - now) / 1000;
  if (Math.abs(seconds) < 1) return t("now");
  return t(seconds < 0 ? "ago" : "in", { span: span(seconds) });
}

// Seconds are enough, and the zone is named.
export function exact(iso) {
  const shown = new Intl.DateTimeFormat(chosen.language === "es" ? "es" : "en-GB", {
    timeZone: zone(), year: "numeric", month: "short", day: "numeric",
    hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
  });
  return shown.format(new Date(iso));
}

// For an axis: the day where it begins, else the hour and minute.
export function tick(ms, days) {
  const options = days ? { weekday: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hour12: false };
  return new Intl.DateTimeFormat(chosen.language, { timeZone: zone(), ...options }).format(new Date(ms));
}

export function hourOf(ms) {
  const options = { timeZone: zone(), hour: "numeric", hourCycle: "h23" };
  return Number(new Intl.DateTimeFormat("en", options).format(new Date(ms)));
}
