// A table of windows that stays smooth with tens of thousands of rows: only the rows in
// sight are in the document, each of one height, so that nothing moves on a refresh.

import { count, setText, utc, volts } from "./format.js";

const ROW_PIXELS = 34;
const SPARE_ROWS = 12;
const SKELETON_ROWS = 14;

const VERDICTS = {
  normal: "normal", low: "low", high: "high",
  too_low: "too low", too_high: "too high", invalid: "no data",
};

const SOURCES = { window_start: "window_start_epoch_seconds" };
const NUMERIC = new Set([0, 1, 3, 4, 5, 6, 7, 8]);
const COLUMNS = 11;
export const DESCENDING_FIRST = new Set([
  "window_start", "readings_count", "maximum_volts", "mean_volts", "readings_over_threshold", "verdict", "state",
]);

export class Grid {
  constructor({ viewport, sort, onSort }) {
    this.viewport = viewport;
    this.table = viewport.querySelector("table");
    this.body = this.table.tBodies[0];
    this.empty = viewport.querySelector("#empty");
    this.threshold = Number(document.body.dataset.thresholdVolts);
    this.columns = null;
    this.order = [];
    this.pool = [];
    this.above = spacer();
    this.below = spacer();
    this.sortBy(sort);
    for (const head of this.table.tHead.rows[0].cells) {
      head.querySelector("button").addEventListener("click", () => {
        const name = head.dataset.sort;
        const first = DESCENDING_FIRST.has(name) ? `-${name}` : name;
        const other = DESCENDING_FIRST.has(name) ? name : `-${name}`;
        this.sortBy(this.sort === first ? other : first);
        this.arrange();
        this.viewport.scrollTop = 0;
        this.draw();
        onSort(this.sort);
      });
    }
    let waiting = false;
    const later = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        this.draw();
      });
    };
    viewport.addEventListener("scroll", later, { passive: true });
    new ResizeObserver(later).observe(viewport);
    this.skeleton();
  }

  sortBy(sort) {
    this.sort = sort;
    for (const head of this.table.tHead.rows[0].cells) {
      if (head.dataset.sort === sort.replace("-", "")) {
        head.setAttribute("aria-sort", sort.startsWith("-") ? "descending" : "ascending");
      } else head.removeAttribute("aria-sort");
    }
  }

  skeleton() {
    this.body.replaceChildren();
    for (let row = 0; row < SKELETON_ROWS; row += 1) {
      const line = this.body.insertRow();
      for (let column = 0; column < COLUMNS; column += 1) {
        const cell = line.insertCell();
        if (NUMERIC.has(column)) cell.className = "n";
        cell.append(Object.assign(document.createElement("span"), { className: "bone" }));
      }
    }
  }

  // Takes columns of one length, in the order that the worker gave them.
  set(columns, emptyText) {
    if (!this.columns) this.body.replaceChildren(this.above, this.below);
    this.columns = columns;
    this.order = columns.line.map((_, row) => row);
    this.arrange();
    this.table.setAttribute("aria-busy", "false");
    this.table.setAttribute("aria-rowcount", String(this.order.length + 1));
    this.empty.hidden = this.order.length > 0;
    if (!this.order.length) this.empty.replaceChildren(...emptyText());
    this.draw();
  }

  // Sorts what is here already, until the worker's own answer comes.
  arrange() {
    if (!this.columns) return;
    const name = this.sort.replace("-", "");
    const sign = this.sort.startsWith("-") ? -1 : 1;
    const { line, transformer, window_start_epoch_seconds: start, verdict, state } = this.columns;
    let values = this.columns[SOURCES[name] ?? name];
    if (name === "verdict") values = verdict.map((word) => Object.keys(VERDICTS).indexOf(word));
    if (name === "state") values = state.map((word) => (word === "open" ? 1 : 0));
    this.order.sort((a, b) =>
      sign * (values[a] - values[b])
      || (name === "line" ? sign * (transformer[a] - transformer[b]) : 0)
      || start[b] - start[a] || line[a] - line[b] || transformer[a] - transformer[b]);
  }

  draw() {
    if (!this.columns) return;
    const total = this.order.length;
    const fitting = Math.ceil(this.viewport.clientHeight / ROW_PIXELS) + 2 * SPARE_ROWS;
    const shown = Math.min(total, fitting);
    const wanted = Math.floor(this.viewport.scrollTop / ROW_PIXELS) - SPARE_ROWS;
    const first = Math.max(0, Math.min(wanted, total - shown));
    while (this.pool.length < shown) {
      const row = newRow();
      this.pool.push(row);
      this.below.before(row.element);
    }
    while (this.pool.length > shown) this.pool.pop().element.remove();
    setHeight(this.above, first * ROW_PIXELS);
    setHeight(this.below, (total - first - shown) * ROW_PIXELS);
    this.pool.forEach((row, place) => this.fill(row, first + place));
  }

  fill(row, place) {
    const at = this.order[place];
    const of = this.columns;
    const { element, texts } = row;
    element.setAttribute("aria-rowindex", String(place + 2));
    const line = of.line[at];
    const transformer = of.transformer[at];
    const over = of.readings_over_threshold[at];
    const words = [
      String(line), String(transformer), utc(of.window_start_epoch_seconds[at]).slice(5), count(of.readings_count[at]),
      volts(of.minimum_volts[at]), volts(of.mean_volts[at]), volts(of.maximum_volts[at]),
      String(of.maximum_usage_point[at]), count(over), of.state[at], VERDICTS[of.verdict[at]] ?? of.verdict[at],
    ];
    words.forEach((word, column) => setText(texts[column], word));
    setText(row.year, utc(of.window_start_epoch_seconds[at]).slice(0, 5));
    const path = `/transformers/${line}/${transformer}`;
    if (row.path !== path) {
      row.path = path;
      texts[1].href = path;
      texts[1].setAttribute("aria-label", `Line ${line}, transformer ${transformer}`);
    }
    texts[6].className = of.maximum_volts[at] > this.threshold ? "over" : "";
    texts[8].className = over ? "over" : "zero";
    texts[9].dataset.state = of.state[at];
    texts[10].dataset.verdict = of.verdict[at];
  }
}

function newRow() {
  const element = document.createElement("tr");
  const texts = [];
  for (let column = 0; column < COLUMNS; column += 1) {
    const cell = element.insertCell();
    if (NUMERIC.has(column)) cell.className = "n";
    const text = document.createElement(column === 1 ? "a" : "span");
    if (column === 9) text.className = "phase";
    if (column === 10) text.className = "badge";
    cell.append(text);
    texts.push(text);
  }
  const year = Object.assign(document.createElement("span"), { className: "year" });
  texts[2].before(year);
  return { element, texts, year, path: "" };
}

function spacer() {
  const row = document.createElement("tr");
  row.className = "space";
  row.setAttribute("aria-hidden", "true");
  row.insertCell().colSpan = COLUMNS;
  return row;
}

function setHeight(row, pixels) {
  const height = `${pixels}px`;
  if (row.cells[0].style.height !== height) row.cells[0].style.height = height;
}

export function emptyText(title, text) {
  const strong = document.createElement("strong");
  strong.textContent = title;
  return [strong, text];
}
