// What is foreseen for all transformers, and how right it was, beside the baselines.

import { DASH, count, percent, setFigures, setText, utc, volts } from "./format.js";
import { emptyText } from "./grid.js";
import { follow } from "./live.js";
import { barCell, setBar, setRows } from "./rows.js";

const MODELS = [
  ["published", "Published"], ["regression", "Regression of volts"], ["direct", "Classifier of the label"],
  ["same_as_now", "Same as now"], ["persistence", "What usually follows now"], ["climatology", "Hour of the week"],
];
const SCORES = [
  ["accuracy", percent], ["balanced_accuracy", percent], ["roc_auc", three], ["log_loss", three],
  ["brier", three], ["calibration_error", percent], ["f1", three],
];

const totals = document.getElementById("totals");
const outlook = document.getElementById("outlook");
const scores = document.getElementById("scores");
const empty = document.getElementById("empty");
const counter = document.getElementById("count");
const period = document.getElementById("period");
const horizon = document.getElementById("horizon");
let latest = null;

const hours = () => (horizon ? `&hours=${horizon.querySelector("input:checked").value}` : "");

function three(value) {
  return value == null ? DASH : value.toFixed(3);
}

function showTotals({ scores: all }, which) {
  const { models, alerts, same_as_now: same, labels_count: labels } = all[which];
  const published = models.published ?? {};
  setFigures(totals, {
    accuracy: percent(published.accuracy),
    accuracy_note: labels ? `“same as now”: ${percent(same.accuracy)} %` : "none has come due yet",
    precision: percent(alerts?.precision),
    precision_note: alerts ? `of ${count(alerts.count)} alerts` : "\u00a0",
    recall: percent(alerts?.recall),
    recall_note: labels ? `of ${count(Math.round(all[which].positives_share * labels))} windows over` : "\u00a0",
    lead: alerts?.lead_seconds == null ? DASH : (alerts.lead_seconds / 3600).toFixed(1),
    calibration: percent(published.calibration_error),
  });
}

function champions({ champions: byLane }) {
  const counts = {};
  for (const name of Object.values(byLane)) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function showScores(answer, which) {
  const { models, same_as_now: same } = answer.scores[which];
  const lanes = champions(answer);
  const known = { ...models, same_as_now: same ?? {} };
  setRows(scores.tBodies[0], MODELS.length, SCORES.length + 1, new Set([1, 2, 3, 4, 5, 6, 7]), (row, place) => {
    const [name, words] = MODELS[place];
    const champion = lanes[name] ? `, published by ${lanes[name]} lane${lanes[name] > 1 ? "s" : ""}` : "";
    setText(row.cells[0], words + champion);
    SCORES.forEach(([score, write], column) => setText(row.cells[column + 1], write(known[name]?.[score])));
  });
}

function showOutlook({ transformers, alert_probability: alert }) {
  setRows(outlook.tBodies[0], transformers.length, 6, new Set([0, 1, 4, 5]), (row, place) => {
    const one = transformers[place];
    if (!row.dataset.ready) {
      row.dataset.ready = "yes";
      row.cells[1].append(document.createElement("a"));
      barCell(row.cells[2]);
    }
    const path = `/transformers/${one.line}/${one.transformer}`;
    const link = row.cells[1].firstChild;
    setText(row.cells[0], String(one.line));
    setText(link, String(one.transformer));
    if (link.getAttribute("href") !== path) link.setAttribute("href", path);
    setBar(row.cells[2], one.probability, `${percent(one.probability)} %`);
    row.cells[2].classList.toggle("is-alert", one.probability >= alert);
    setText(row.cells[3], utc(one.window_start_epoch_seconds));
    setText(row.cells[4], volts(one.foretold_maximum_volts));
    setText(row.cells[5], `${count(one.alerts_count)} of ${count(one.predictions_count)}`);
  });
  outlook.setAttribute("aria-busy", "false");
  empty.hidden = transformers.length > 0;
  if (!transformers.length) empty.replaceChildren(...emptyText("Nothing is foreseen yet", "Predictions begin when the first windows close."));
}

// Of the fleet's maximum, the window in which it is likeliest to be over, or highest.
function showFleet({ fleet }) {
  const [top] = [...fleet].sort((a, b) => b.probability - a.probability || b.foretold_maximum_volts - a.foretold_maximum_volts);
  setFigures(totals, {
    fleet: volts(top?.foretold_maximum_volts),
    fleet_note: top ? `${percent(top.probability)} % over, ${utc(top.window_start_epoch_seconds).slice(5)}` : "not foreseen yet",
  });
  document.getElementById("fleet").classList.toggle("is-over", Boolean(top?.alert));
}

function show() {
  const which = period.querySelector("input:checked").value;
  showTotals(latest, which);
  showScores(latest, which);
}

const refresh = follow(() => `/api/v1/predictions?limit=20${hours()}`, (answer) => {
  latest = answer;
  show();
  showFleet(answer);
  setText(document.getElementById("hours"), String(answer.horizon_hours));
  showOutlook(answer);
  const alerts = answer.transformers_with_alert_count;
  setText(counter, `${count(alerts)} of ${count(answer.transformers_count)} transformers with an alert`);
});
period.addEventListener("input", () => latest && show());
horizon?.addEventListener("input", () => refresh());
