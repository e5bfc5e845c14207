// Alerts of the whole cluster, live; an operator acknowledges them.

import { DASH, count, setText, utc, volts } from "./format.js";
import { emptyText } from "./grid.js";
import { follow } from "./live.js";

const LIMIT = "500";
const DEFAULTS = { state: "open", kind: "all", line: "", transformer: "" };
const LABELS = ["", "Line", "Transformer", "", "Peak", "Meter", "Windows", "Since", "Until", "Limit", ""];
const NUMBERS = new Set([1, 2, 4, 5, 6, 9]);
const WORDS = { raised: "new", acknowledged: "acknowledged", cleared: "cleared" };
const SKELETON_ROWS = 8;
const WAIT_MILLISECONDS = 8000;

const form = document.getElementById("filters");
const table = document.getElementById("alerts-table");
const body = table.tBodies[0];
const empty = document.getElementById("empty");
const counter = document.getElementById("count");
const mayOperate = document.querySelector("main").dataset.mayOperate === "yes";
const wanted = { ...DEFAULTS, ...Object.fromEntries(new URLSearchParams(location.search)) };
for (const name of Object.keys(DEFAULTS)) form.elements[name].value = wanted[name];

// What has been sent and is not on the page yet, by the name of its alert.
const sent = new Map();

function newRow() {
  const row = body.insertRow();
  LABELS.forEach((label, column) => {
    const cell = row.insertCell();
    if (NUMBERS.has(column)) cell.className = "n";
    if (label) cell.dataset.label = label;
    cell.append(Object.assign(document.createElement("span"), { className: "bone" }));
  });
  return row;
}

function live(row) {
  if (row.dataset.live) return row;
  row.dataset.live = "yes";
  for (const cell of row.cells) cell.replaceChildren();
  row.cells[0].append(Object.assign(document.createElement("span"), { className: "badge" }));
  row.cells[2].append(document.createElement("a"));
  const button = Object.assign(document.createElement("button"), { type: "button", className: "acknowledge" });
  button.addEventListener("click", () => acknowledge(button));
  row.cells[10].append(button, Object.assign(document.createElement("span"), { className: "when" }));
  return row;
}

function what(one) {
  if (one.kind === "high" && one.readings_over_threshold > 0) return `high, ${count(one.readings_over_threshold)} readings`;
  return one.kind;
}

function fill(row, one) {
  const { cells } = live(row);
  const badge = cells[0].firstChild;
  badge.dataset.alert = one.state;
  setText(badge, WORDS[one.state]);
  const link = cells[2].firstChild;
  const path = `/transformers/${one.line}/${one.transformer}`;
  setText(cells[1], String(one.line));
  setText(link, String(one.transformer));
  if (link.getAttribute("href") !== path) link.setAttribute("href", path);
  link.setAttribute("aria-label", `Line ${one.line}, transformer ${one.transformer}`);
  const words = [
    what(one), volts(one.peak_volts), one.peak_usage_point == null ? DASH : String(one.peak_usage_point), count(one.windows_count),
    utc(one.window_start_epoch_seconds), utc(one.cleared_epoch_seconds), one.limit_volts.toFixed(1),
  ];
  words.forEach((word, column) => setText(cells[3 + column], word));
  fillButton(cells[10], one);
}

function fillButton(cell, one) {
  const [button, when] = cell.children;
  const seen = one.acknowledged_epoch_seconds;
  if (seen !== null || (sent.get(one.alert) ?? 0) < Date.now()) sent.delete(one.alert);
  button.hidden = seen !== null || !mayOperate;
  button.disabled = sent.has(one.alert);
  button.dataset.alert = one.alert;
  setText(button, sent.has(one.alert) ? "Sent…" : "Acknowledge");
  button.setAttribute("aria-label", `Acknowledge line ${one.line}, transformer ${one.transformer}, ${one.kind}`);
  when.hidden = seen === null;
  setText(when, seen === null ? "" : `seen ${utc(seen - (seen % 60))}`);
}

async function acknowledge(button) {
  const { alert } = button.dataset;
  sent.set(alert, Date.now() + WAIT_MILLISECONDS);
  button.disabled = true;
  setText(button, "Sent…");
  try {
    const options = { method: "POST", signal: AbortSignal.timeout(WAIT_MILLISECONDS) };
    const response = await fetch(`/api/v1/alerts/${alert}/acknowledge`, options);
    if (response.ok) return;
    const answer = await response.json();
    throw new Error(answer.error);
  } catch (error) {
    sent.delete(alert);
    button.disabled = false;
    setText(button, "Try again");
    button.title = `Not acknowledged: ${error.message}`;
  }
}

function showCounts({ counts }) {
  const { raised, acknowledged, cleared } = counts;
  const sums = { ...counts, open: raised + acknowledged, all: raised + acknowledged + cleared };
  for (const place of form.querySelectorAll("[data-count]")) setText(place, count(sums[place.dataset.count]));
}

function whyEmpty() {
  const isFiltered = ["kind", "line", "transformer"].some((name) => wanted[name] !== DEFAULTS[name]);
  if (isFiltered) return emptyText("No alert matches", "Nothing that is known of is like that. Widen the filter.");
  if (wanted.state === "cleared") return emptyText("No alert has cleared yet", "Those that clear stay here for a while.");
  return emptyText("All is within its limits", "An alert appears here as soon as a window closes that is outside.");
}

for (let row = 0; row < SKELETON_ROWS; row += 1) newRow();

const refresh = follow(
  () => `/api/v1/alerts?${new URLSearchParams({ ...pick(), limit: LIMIT })}`,
  (answer) => {
    const { alerts, matched_alerts: matched } = answer;
    while (body.rows.length > alerts.length) body.deleteRow(-1);
    while (body.rows.length < alerts.length) newRow();
    alerts.forEach((one, place) => fill(body.rows[place], one));
    table.setAttribute("aria-busy", "false");
    showCounts(answer);
    setText(counter, matched > alerts.length
      ? `first ${count(alerts.length)} of ${count(matched)} alerts`
      : `${count(matched)} alert${matched === 1 ? "" : "s"}`);
    empty.hidden = alerts.length > 0;
    if (!alerts.length) empty.replaceChildren(...whyEmpty());
  },
);

function pick() {
  return Object.fromEntries(Object.keys(DEFAULTS).filter((name) => wanted[name] !== "").map((name) => [name, wanted[name]]));
}

form.addEventListener("input", () => {
  if (!form.checkValidity()) return;
  for (const name of Object.keys(DEFAULTS)) wanted[name] = form.elements[name].value;
  const changes = Object.entries(wanted).filter(([name, value]) => name in DEFAULTS && value !== DEFAULTS[name]);
  history.replaceState(null, "", changes.length ? `?${new URLSearchParams(changes)}` : location.pathname);
  refresh();
});
form.addEventListener("submit", (event) => event.preventDefault());
