// One transformer: its latest window in figures, and all of its windows in memory.

import { Chart, transformerSeries } from "./chart.js";
import { count, setFigures, utc, volts } from "./format.js";
import { Grid, emptyText } from "./grid.js";
import { follow } from "./live.js";

const { line, transformer } = document.querySelector("main").dataset;
const summary = document.getElementById("summary");
const counter = document.getElementById("count");
const grid = new Grid({ viewport: document.getElementById("viewport"), sort: "-window_start", onSort: () => {} });

function showLatest(answer) {
  const [latest] = answer.windows;
  if (!latest) return;
  const when = `${latest.state}, from ${utc(latest.window_start_epoch_seconds)}`;
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

// Known windows first, oldest to newest, then the windows that are only foreseen.
function showChart({ windows, threshold_volts: threshold }) {
  const known = new Map(windows.map((window) => [window.window_start_epoch_seconds, window]));
  const foretold = new Map(foreseen.map((one) => [one.window_start_epoch_seconds, one.foretold_maximum_volts]));
  const starts = [...new Set([...known.keys(), ...foretold.keys()])].sort((a, b) => a - b);
  const of = (name) => starts.map((start) => known.get(start)?.[name] ?? null);
  const highest = windows.length ? Math.max(...windows.map((window) => window.maximum_volts)).toFixed(2) : null;
  const summary = highest
    ? `Voltage of ${windows.length} windows, at most ${highest} V, and a maximum foretold for ${foreseen.length} more; the threshold is ${threshold} V`
    : "No voltage is known";
  const data = [
    starts, of("maximum_volts"), of("mean_volts"), of("minimum_volts"),
    starts.map((start) => foretold.get(start) ?? null), starts.map(() => threshold),
  ];
  chart.show(data, summary);
}

async function lookAhead() {
  const response = await fetch(`/api/v1/transformers/${line}/${transformer}/predictions`);
  if (response.ok) foreseen = (await response.json()).predictions;
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
