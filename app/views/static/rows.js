// Rows of small tables: made once, changed in place.

import { setText } from "./format.js";

export function setRows(body, rows, cells, numbers, fill) {
  while (body.rows.length > rows) body.deleteRow(-1);
  while (body.rows.length < rows) {
    const row = body.insertRow();
    for (let column = 0; column < cells; column += 1) {
      const cell = row.insertCell();
      if (numbers.has(column)) cell.className = "n";
    }
  }
  [...body.rows].forEach(fill);
}

export function barCell(cell) {
  const track = Object.assign(document.createElement("span"), { className: "bar-track" });
  track.append(Object.assign(document.createElement("span"), { className: "bar-fill" }), document.createElement("span"));
  cell.append(track);
}

export function setBar(cell, share, text) {
  const [bar, label] = cell.firstChild.children;
  const width = `${(100 * share).toFixed(1)}%`;
  if (bar.style.width !== width) bar.style.width = width;
  setText(label, text);
}
