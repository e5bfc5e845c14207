// The transformers that stand out most, over the whole cluster.

import { count, setText, utc, volts } from "./format.js";
import { emptyText } from "./grid.js";
import { follow } from "./live.js";
import { barCell, setBar } from "./rows.js";

const CELLS = 11;
const NUMBERS = new Set([0, 1, 2, 5, 6, 7, 8, 9, 10]);
const TITLES = { maximum_volts: "Highest, V", minimum_volts: "Lowest, V", readings_over_threshold: "Readings over" };
const DEFAULTS = { by: "maximum_volts", windows: "8" };
const SKELETON_ROWS = 20;

const form = document.getElementById("filters");
const table = document.getElementById("top");
const body = table.tBodies[0];
const empty = document.getElementById("empty");
const counter = document.getElementById("count");
const threshold = Number(document.body.dataset.thresholdVolts);
const wanted = { ...DEFAULTS, ...Object.fromEntries(new URLSearchParams(location.search)) };
form.elements.by.value = wanted.by;
form.elements.windows.value = wanted.windows;

function newRow() {
  const row = body.insertRow();
  for (let column = 0; column < CELLS; column += 1) {
    const cell = row.insertCell();
    if (NUMBERS.has(column)) cell.className = "n";
    cell.append(Object.assign(document.createElement("span"), { className: "bone" }));
  }
  return row;
}

function live(row) {
  if (row.dataset.live) return row;
  row.dataset.live = "yes";
  for (const cell of row.cells) cell.replaceChildren();
  row.cells[2].append(document.createElement("a"));
  barCell(row.cells[3]);
  return row;
}

const written = (by, value) => (by === "readings_over_threshold" ? count(value) : volts(value));

// A bar begins where there is nothing to worry about: at the threshold, or at no reading.
function barShare(by, values, value) {
  const end = values[0];
  const begin = { maximum_volts: Math.min(threshold, values.at(-1)), minimum_volts: Math.max(threshold, values.at(-1)) }[by] ?? 0;
  return begin === end ? 0 : (value - begin) / (end - begin);
}

function fill(row, place, one, by, values) {
  const { cells } = live(row);
  const link = cells[2].firstChild;
  const path = `/transformers/${one.line}/${one.transformer}`;
  setText(cells[0], String(place + 1));
  setText(cells[1], String(one.line));
  setText(link, String(one.transformer));
  if (link.getAttribute("href") !== path) link.setAttribute("href", path);
  link.setAttribute("aria-label", `Line ${one.line}, transformer ${one.transformer}`);
  setBar(cells[3], barShare(by, values, one[by]), written(by, one[by]));
  const words = [
    utc(one.maximum_window_start_epoch_seconds), String(one.maximum_usage_point), volts(one.minimum_volts), volts(one.mean_volts),
    volts(one.maximum_volts), count(one.readings_over_threshold), `${count(one.windows_over_threshold)} of ${count(one.windows_count)}`,
  ];
  words.forEach((word, column) => setText(cells[4 + column], word));
  cells[8].classList.toggle("is-over", one.maximum_volts > threshold);
}

for (let row = 0; row < SKELETON_ROWS; row += 1) newRow();

const refresh = follow(() => `/api/v1/top?${new URLSearchParams(wanted)}`, (answer) => {
  const { transformers, by } = answer;
  const values = transformers.map((one) => one[by]);
  while (body.rows.length > transformers.length) body.deleteRow(-1);
  while (body.rows.length < transformers.length) newRow();
  transformers.forEach((one, place) => fill(body.rows[place], place, one, by, values));
  table.setAttribute("aria-busy", "false");
  setText(document.getElementById("bar-title"), TITLES[by]);
  setText(counter, `${count(transformers.length)} of ${count(answer.transformers_count)} transformers`);
  empty.hidden = transformers.length > 0;
  if (!transformers.length) empty.replaceChildren(...emptyText("Nothing to rank yet", "The first transformers appear as soon as readings arrive."));
});

form.addEventListener("input", () => {
  for (const name of Object.keys(DEFAULTS)) wanted[name] = form.elements[name].value;
  history.replaceState(null, "", `?${new URLSearchParams(wanted)}`);
  refresh();
});
form.addEventListener("submit", (event) => event.preventDefault());
