// The windows of all transformers; what is shown stands in the address, to be shared.

import { count } from "./format.js";
import { Grid, emptyText } from "./grid.js";
import { follow } from "./live.js";

const LIMIT = 5000;
const DEFAULTS = { state: "all", line: "", transformer: "", sort: "-window_start" };

const form = document.getElementById("filters");
const csv = document.getElementById("csv");
const counter = document.getElementById("count");
const wanted = { ...DEFAULTS, ...Object.fromEntries(new URLSearchParams(location.search)) };

form.elements.state.value = wanted.state;
form.elements.line.value = wanted.line;
form.elements.transformer.value = wanted.transformer;

const grid = new Grid({
  viewport: document.getElementById("viewport"),
  sort: wanted.sort,
  onSort: (sort) => {
    wanted.sort = sort;
    changed();
  },
});

function parameters(more) {
  const set = Object.entries({ ...wanted, ...more }).filter(([name, value]) => value !== "" && name in DEFAULTS || name in more);
  return new URLSearchParams(Object.fromEntries(set));
}

function linkTo() {
  const changes = Object.entries(wanted).filter(([name, value]) => name in DEFAULTS && value !== DEFAULTS[name]);
  const query = new URLSearchParams(Object.fromEntries(changes)).toString();
  return query ? `?${query}` : location.pathname;
}

const isFiltered = () => wanted.state !== "all" || wanted.line !== "" || wanted.transformer !== "";

function whyEmpty() {
  if (isFiltered()) return emptyText("No window matches", "Nothing that is open or has closed lately is like that. Widen the filter.");
  return emptyText("No windows yet", "The first appear as soon as readings arrive. If meters are publishing, look at the overview: is a lane behind?");
}

const refresh = follow(
  () => `/api/v1/windows?${parameters({ format: "columns", limit: String(LIMIT) })}`,
  (answer) => {
    grid.set(answer.windows, whyEmpty);
    const { matched_windows: matched, returned_windows: returned } = answer;
    counter.textContent = matched > returned
      ? `first ${count(returned)} of ${count(matched)} windows`
      : `${count(matched)} window${matched === 1 ? "" : "s"}`;
  },
);

function changed() {
  history.replaceState(null, "", linkTo());
  csv.href = `/api/v1/windows?${parameters({ format: "csv", limit: "50000" })}`;
  refresh();
}

form.addEventListener("input", () => {
  if (!form.checkValidity()) return;
  for (const name of ["state", "line", "transformer"]) wanted[name] = form.elements[name].value;
  changed();
});
form.addEventListener("submit", (event) => event.preventDefault());
csv.href = `/api/v1/windows?${parameters({ format: "csv", limit: "50000" })}`;
