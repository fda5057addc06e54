// Charts with axes, drawn at their real width: text stays readable on a phone and on a wall.
"use strict";
import { count, exact, hourOf, span, t, tick } from "./texts.js";
import { byId, element } from "./dom.js";

const HEIGHT = 170, LEFT = 52, BOTTOM = 22, TOP = 8;
const HOUR = 3600e3, DAY = 24 * HOUR;

function shape(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// The least round number that is not below the value.
function round(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [2, 4, 6, 8, 10].map((n) => n * power).find((n) => n >= value) ?? 10 * power;
}

function axes(svg, from, to, top, width, unit) {
  const x = (ms) => LEFT + ((width - LEFT - 4) * (ms - from)) / (to - from);
  const y = (value) => HEIGHT - BOTTOM - ((HEIGHT - BOTTOM - TOP) * value) / top;
  for (const part of [0, 0.5, 1]) {
    const at = y(top * part);
    svg.append(shape("line", { x1: LEFT, x2: width - 4, y1: at, y2: at, class: "grid" }));
    svg.append(shape("text", { x: LEFT - 6, y: at + 4, class: "axis end" }, unit(top * part)));
  }
  const days = to - from > 2 * DAY;
  const room = Math.max(1, Math.floor((width - LEFT) / 64));
  // Whole hours of the zone shown; a step that leaves room for its label.
  const step = days ? Math.ceil(7 / room) * 24 : [3, 6, 12, 24].find((one) => (to - from) / HOUR / one <= room) ?? 24;
  for (let ms = Math.ceil(from / HOUR) * HOUR, seen = 0; ms <= to; ms += HOUR) {
    if (hourOf(ms) % Math.min(step, 24)) continue;
    if (days && seen++ % (step / 24)) continue;
    const at = x(ms);
    svg.append(shape("line", { x1: at, x2: at, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 4, class: "grid" }));
    if (at > LEFT - 1 && at < width - 30) svg.append(shape("text", { x: at, y: HEIGHT - 5, class: "axis" }, tick(ms, days)));
  }
  return { x, y };
}

// series: [{name, style}]; points: [{at, values}] in the order of the series.
function draw(figure, { title, series, points, from, to, width: wide, unit = count, lines = false, note = "" }) {
  const width = Math.max(240, figure.clientWidth - 2);
  const mark = JSON.stringify([title, note, width, from, to, points, tick(from), series]);
  if (figure.dataset.mark === mark) return;
  figure.dataset.mark = mark;
  const sums = points.map((one) => one.values.reduce((total, value) => total + value, 0));
  const most = Math.max(0, ...sums), peak = points[sums.indexOf(most)];
  const summary = !most ? t("chart.empty") : lines || unit !== count
    ? t("chart.peak", { most: unit(most), when: exact(new Date(peak.at).toISOString()) })
    : t("chart.summary", { total: count(sums.reduce((a, b) => a + b, 0)), most: unit(most), when: exact(new Date(peak.at).toISOString()) });
  const svg = shape("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-label": `${title}: ${summary}` });
  const { x, y } = axes(svg, from, to, Math.max(2, round(most)), width, unit);
  if (lines) {
    if (points.length) svg.append(shape("polyline", { class: "line", points: points.map((one) => `${x(one.at)},${y(one.values[0])}`).join(" ") }));
  } else {
    const thick = Math.max(1, x(from + wide) - x(from) - 1);
    for (const one of points) {
      let below = 0;
      one.values.forEach((value, index) => {
        if (!value) return;
        const bar = shape("rect", { x: x(one.at), width: thick, y: y(below + value), height: Math.max(1, y(below) - y(below + value)), class: series[index].style });
        bar.append(shape("title", {}, `${exact(new Date(one.at).toISOString())}: ${unit(value)} ${series[index].name}`));
        svg.append(bar);
        below += value;
      });
    }
  }
  const caption = element("figcaption", title);
  if (note) caption.append(element("small", ` · ${note}`));
  const legend = element("p", null, "legend");
  if (series.length > 1) {
    for (const one of series) {
      const key = element("span", one.name, "key");
      key.prepend(element("i", "", one.style));
      legend.append(key);
    }
  }
  legend.append(element("small", summary));
  const open = figure.querySelector("details")?.open ?? false;
  figure.replaceChildren(caption, svg, legend, figures(title, series, points, unit, open));
}

// The same as a table, for those who cannot see the picture.
function figures(title, series, points, unit, open) {
  const details = element("details"), table = element("table"), head = element("tr"), body = element("tbody");
  details.open = open;
  for (const name of [t("chart.time"), ...series.map((one) => one.name)]) {
    const cell = element("th", name);
    cell.scope = "col";
    head.append(cell);
  }
  for (const one of points.filter((point) => point.values.some(Boolean)).slice(-200)) {
    const row = element("tr");
    row.append(element("td", exact(new Date(one.at).toISOString())), ...one.values.map((value) => element("td", unit(value))));
    body.append(row);
  }
  const thead = element("thead");
  thead.append(head);
  table.append(element("caption", title), thead, body);
  details.append(element("summary", t("chart.table")), table);
  return details;
}

const KINDS = [["auto-cancel", "cancel"], ["escalation", "escalate"], ["decision-revoked", "revoke"]];
const OUTCOMES = [["kept", "kept"], ["cancelled", "closed"], ["auto_cancelled", "cancel"], ["escalated", "escalate"]];
const SEEN = [["silent", "escalate"], ["acted", "kept"], ["unseen", "closed"]];

const points = (hours, fields) =>
  hours.map((one) => ({ at: Date.parse(one.hour), values: fields.map(([field]) => one[field] ?? 0) }));
const named = (fields, prefix) => fields.map(([field, style]) => ({ name: t(`${prefix}.${field}`), style }));

export function charts(data) {
  const now = Date.parse(data.at), until = Math.floor(now / HOUR) * HOUR + HOUR;
  const week = { from: until - 7 * DAY, to: until, width: HOUR };
  const note = (part) => (part?.whole ? "" : t("chart.counting"));
  const { lapses, verdicts, outlook } = data;
  draw(byId("chart-lapses"), {
    ...week, title: t("chart.lapses"), note: note(lapses), series: named(OUTCOMES, "outcome"),
    points: points(lapses?.hours ?? [], OUTCOMES),
  });
  draw(byId("chart-verdicts"), {
    ...week, title: t("chart.verdicts"), note: note(verdicts), series: named(KINDS, "kind"),
    points: points(verdicts?.hours ?? [], KINDS),
  });
  const trips = outlook?.brake_trips_at;
  draw(byId("chart-outlook"), {
    from: until - HOUR, to: until + DAY, width: HOUR, title: t("chart.outlook"),
    note: trips ? t("chart.trips", { when: exact(trips) }) : "", series: named(SEEN, "seen"),
    points: points(outlook?.hours ?? [], SEEN),
  });
  draw(byId("chart-late"), {
    ...week, title: t("chart.late"), unit: span, note: note(verdicts), series: [{ name: t("col.after"), style: "kept" }],
    points: points((verdicts?.hours ?? []).filter((one) => one.late !== null), [["late"]]),
  });
  for (const [id, field, unit] of [["chart-lag", "lag", count], ["chart-delay", "delay", span]]) {
    draw(byId(id), {
      title: t(`chart.${field}`), from: now - DAY, to: now, width: 60e3, unit, lines: true,
      series: [{ name: t(`chart.${field}`), style: "line" }],
      points: data.trend.map((one) => ({ at: Date.parse(one.at), values: [one[field]] })),
    });
  }
}
