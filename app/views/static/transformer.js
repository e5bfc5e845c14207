// One transformer: its latest window in figures, and all of its windows in memory.

import { Chart, transformerSeries } from "./chart.js";
import { DASH, count, percent, setFigures, utc, volts } from "./format.js";
import { Grid, emptyText } from "./grid.js";
import { follow } from "./live.js";

const { line, transformer } = document.querySelector("main").dataset;
const summary = document.getElementById("summary");
const counter = document.getElementById("count");
const grid = new Grid({ viewport: document.getElementById("viewport"), sort: "-window_start", onSort: () => {} });

function showLatest(answer) {
  const [latest] = answer.windows;
  if (!latest) return;
  const when = `${latest.state}, ${utc(latest.window_start_epoch_seconds)}`;
  const over = answer.windows.filter((window) => window.maximum_volts > answer.threshold_volts);
  setFigures(summary, {
    maximum: volts(latest.maximum_volts),
    maximum_note: `at usage point ${latest.maximum_usage_point}`,
    mean: volts(latest.mean_volts),
    mean_note: `of ${count(latest.readings_count)} readings`,
    minimum: volts(latest.minimum_volts),
    minimum_note: when,
    over: count(over.length),
    over_note: `of ${count(answer.windows.length)} in memory`,
  });
  const tile = summary.querySelector('[data-figure="maximum"]').closest(".tile");
  tile.classList.toggle("is-over", latest.maximum_volts > answer.threshold_volts);
}

const chart = new Chart(document.getElementById("chart"), transformerSeries);
let foreseen = [];
let past = [];

// What came of what was foreseen, by window: right is not worth a mark of its own.
function outcomes(known, said, threshold) {
  const came = new Map();
  for (const [start, window] of known) {
    const one = said.get(start);
    if (!one || window.state === "open") continue;
    const isOver = window.maximum_volts > threshold;
    if (one.alert) came.set(start, isOver ? "foreseen" : "false");
    else came.set(start, isOver ? "missed" : "right");
  }
  return came;
}

function tally(came) {
  const counts = { foreseen: 0, missed: 0, false: 0, right: 0 };
  for (const kind of came.values()) counts[kind] += 1;
  return counts;
}

function told(came) {
  const { foreseen: hits, missed, false: wrong } = tally(came);
  return came.size ? `Of what was over, ${hits} windows were foreseen and ${missed} missed; ${wrong} false alarms` : "";
}

function showOutcomes(came) {
  const { foreseen: hits, missed, false: wrong, right } = tally(came);
  setFigures(summary, {
    right: came.size ? percent((hits + right) / came.size) : DASH,
    right_note: came.size ? `${count(hits)} of ${count(hits + missed)} over, ${count(wrong)} false` : "none has come due yet",
  });
}

// Known windows first, oldest to newest, then the windows that are only foreseen.
function showChart({ windows, threshold_volts: threshold }) {
  const known = new Map(windows.map((window) => [window.window_start_epoch_seconds, window]));
  const said = new Map([...past, ...foreseen].map((one) => [one.window_start_epoch_seconds, one]));
  const since = Math.min(...known.keys());
  const foretold = new Map([...said].filter(([start]) => start >= since));
  const came = outcomes(known, said, threshold);
  showOutcomes(came);
  const starts = [...new Set([...known.keys(), ...foretold.keys()])].sort((a, b) => a - b);
  const of = (name) => starts.map((start) => known.get(start)?.[name] ?? null);
  const highest = windows.length ? Math.max(...windows.map((window) => window.maximum_volts)).toFixed(2) : null;
  const summary = highest
    ? `Voltage of ${windows.length} windows, at most ${highest} V, and a maximum foretold for ${foreseen.length} more; the threshold is ${threshold} V. ${told(came)}`
    : "No voltage is known";
  const data = [
    starts, of("maximum_volts"), of("mean_volts"), of("minimum_volts"),
    starts.map((start) => foretold.get(start)?.foretold_maximum_volts ?? null), starts.map(() => threshold),
    ...["foreseen", "missed", "false"].map((kind) => starts.map((start) => (came.get(start) === kind ? known.get(start).maximum_volts : null))),
  ];
  chart.show(data, summary);
}

async function lookAhead() {
  const response = await fetch(`/api/v1/transformers/${line}/${transformer}/predictions`);
  if (response.ok) ({ predictions: foreseen, past } = await response.json());
}

// Two sides may be open at once; the newest word is that of what matters most.
async function showAlerts() {
  const response = await fetch(`/api/v1/alerts?line=${line}&transformer=${transformer}&limit=1`);
  if (!response.ok) return;
  const { counts, alerts: [first] } = await response.json();
  const open = counts.raised + counts.acknowledged;
  const words = { raised: "since", acknowledged: "seen; since", cleared: "last ended" };
  setFigures(summary, {
    alerts: count(open),
    alerts_note: first
      ? `${words[first.state]} ${utc(first.cleared_epoch_seconds ?? first.window_start_epoch_seconds)}`
      : "none is known",
  });
  document.getElementById("alerts").classList.toggle("is-over", counts.raised > 0);
}

const whyEmpty = (answer) => () => (answer.missing.lanes.length
  ? emptyText("Not here now", "The worker of this transformer's lane does not answer. Another one takes over in a few seconds.")
  : emptyText("Nothing known of this transformer", "No window of it is open or has closed lately. Check the numbers of line and transformer."));

follow(() => `/api/v1/transformers/${line}/${transformer}`, (answer) => {
  showLatest(answer);
  const names = ["line", "transformer", "window_start_epoch_seconds", "readings_count", "minimum_volts", "mean_volts",
    "maximum_volts", "maximum_usage_point", "readings_over_threshold", "state", "verdict"];
  const columns = Object.fromEntries(names.map((name) => [name, answer.windows.map((window) => window[name])]));
  grid.set(columns, whyEmpty(answer));
  showChart(answer);
  // The windows are the page; where the forecast does not answer, its last word stays.
  lookAhead().then(() => showChart(answer), () => {});
  showAlerts().catch(() => {});
  counter.textContent = `Lane ${answer.lane}, on ${answer.worker ?? "no worker now"}`;
});
