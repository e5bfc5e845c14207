// One transformer: its latest window in figures, and all of its windows in memory.

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

const whyEmpty = (answer) => () => (answer.missing.lanes.length
  ? emptyText("Not here now", "The worker of this transformer's lane does not answer. Another one takes over in a few seconds.")
  : emptyText("Nothing known of this transformer", "No window of it is open or has closed lately. Check the numbers of line and transformer."));

follow(() => `/api/v1/transformers/${line}/${transformer}`, (answer) => {
  showLatest(answer);
  const names = ["line", "transformer", "window_start_epoch_seconds", "readings_count", "minimum_volts", "mean_volts",
    "maximum_volts", "maximum_usage_point", "readings_over_threshold", "state", "verdict"];
  const columns = Object.fromEntries(names.map((name) => [name, answer.windows.map((window) => window[name])]));
  grid.set(columns, whyEmpty(answer));
  counter.textContent = `Lane ${answer.lane}, on ${answer.worker ?? "no worker now"}`;
});
