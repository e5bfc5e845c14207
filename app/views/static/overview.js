// What is happening in the whole cluster: totals, lanes and who has them, workers.

import { Chart, fleetSeries } from "./chart.js";
import { DASH, count, percent, rate, setFigures, setText, span, utc, utcSeconds, volts } from "./format.js";
import { follow } from "./live.js";
import { stateCell, stateOf } from "./worker-state.js";

const totals = document.getElementById("totals");
const lanesTable = document.getElementById("lanes");
const lanesBody = lanesTable.tBodies[0];
const workersBody = document.getElementById("workers").tBodies[0];
const chart = new Chart(document.getElementById("chart"), fleetSeries);
const laneCount = Number(lanesBody.dataset.lanes);
const LANE_CELLS = 9;
const NUMBER_CELLS = new Set([0, 2, 3, 5, 6, 7, 8]);

const shortUrl = (url) => url.replace(/^https?:\/\//, "");

function addRow(body, cells, numbers) {
  const row = body.insertRow();
  for (let column = 0; column < cells; column += 1) {
    const cell = row.insertCell();
    if (numbers.has(column)) cell.className = "n";
  }
  return row;
}

for (let lane = 0; lane < laneCount; lane += 1) {
  const row = addRow(lanesBody, LANE_CELLS, NUMBER_CELLS);
  row.cells[0].textContent = String(lane);
  row.cells[1].classList.add("url");
  for (const cell of [...row.cells].slice(1)) {
    cell.append(Object.assign(document.createElement("span"), { className: "bone" }));
  }
}

function showLane(row, lane, owner) {
  row.classList.toggle("is-missing", !lane);
  const words = [
    row.cells[0].textContent,
    owner ? shortUrl(owner) : "nobody now",
    rate(lane?.readings_per_second), count(lane?.lag_frames), utcSeconds(lane?.watermark_epoch_seconds),
    count(lane?.readings_counted), count(lane?.readings_late), count(lane?.windows_open), count(lane?.windows_closed),
  ];
  words.forEach((word, column) => setText(row.cells[column], word));
}

function showLanes(answer) {
  const byNumber = new Map(answer.lanes.map((lane) => [lane.lane, lane]));
  const owners = new Map(answer.workers.flatMap((worker) => worker.lanes.map((lane) => [lane, worker.url])));
  [...lanesBody.rows].forEach((row, number) => {
    const lane = byNumber.get(number);
    showLane(row, lane, lane?.worker ?? owners.get(number));
  });
  lanesTable.setAttribute("aria-busy", "false");
}

function showWorkers(answer) {
  while (workersBody.rows.length > answer.workers.length) workersBody.deleteRow(-1);
  answer.workers.forEach((worker, place) => {
    const row = workersBody.rows[place] ?? newWorkerRow();
    const [state, words] = stateOf(worker);
    const speeds = answer.lanes.filter((lane) => lane.worker === worker.url).map((lane) => lane.readings_per_second);
    const link = row.cells[0].firstChild;
    setText(link, shortUrl(worker.url));
    if (link.getAttribute("href") !== worker.url) link.setAttribute("href", worker.url);
    row.cells[1].firstChild.dataset.state = state;
    setText(row.cells[1].firstChild.lastChild, words);
    setText(row.cells[2], worker.lanes.join(", ") || DASH);
    const known = speeds.length > 0 && speeds.every((speed) => speed !== null);
    setText(row.cells[3], known ? rate(speeds.reduce((sum, speed) => sum + speed, 0)) : DASH);
  });
}

function newWorkerRow() {
  const row = addRow(workersBody, 4, new Set([3]));
  row.cells[0].classList.add("url");
  row.cells[0].append(document.createElement("a"));
  stateCell(row.cells[1]);
  return row;
}

function maximumNote({ latest_maximum: latest, lanes, missing }) {
  if (latest) return `in ${utc(latest.epoch_seconds)}`;
  if (missing.lanes.length) return "not known: lanes are missing";
  if (!lanes.every((lane) => lane.is_history_complete)) return "being read back";
  return "no window is final yet";
}

function showChart({ fleet_maxima: maxima, threshold_volts: threshold }) {
  const starts = maxima.map((one) => one.epoch_seconds);
  const volts = maxima.map((one) => one.maximum_volts);
  const note = document.getElementById("chart-note");
  note.hidden = maxima.length > 0;
  const peak = Math.max(...volts).toFixed(2);
  const summary = maxima.length
    ? `Fleet maximum from ${utc(starts[0])} to ${utc(starts.at(-1))} UTC, at most ${peak} V; the threshold is ${threshold} V`
    : "No fleet maximum is final yet";
  chart.show([starts, volts, starts.map(() => threshold)], summary);
}

function showAlerts({ alerts_raised: raised, alerts_acknowledged: acknowledged }) {
  const known = raised != null;
  setFigures(totals, {
    alerts: count(known ? raised + acknowledged : null),
    alerts_note: known ? `${count(raised)} not acknowledged` : "not known yet",
  });
  document.getElementById("alerts").classList.toggle("is-over", raised > 0);
}

function showForecast(forecast) {
  document.getElementById("forecast").hidden = !forecast;
  if (!forecast) return;
  setFigures(totals, {
    forecast: percent(forecast.accuracy_share),
    forecast_note: forecast.week_scored
      ? `“same as now”: ${percent(forecast.baseline_accuracy_share)} %`
      : `${count(forecast.predictions_made)} made, none due yet`,
  });
}

follow(() => "/api/v1/overview", (answer) => {
  const { totals: sums, latest_maximum: latest } = answer;
  const known = sums.watermark_epoch_seconds !== null;
  const [date, time = DASH] = utcSeconds(sums.watermark_epoch_seconds).split(" ");
  setFigures(totals, {
    readings_per_second: rate(sums.readings_per_second),
    readings_counted: count(sums.readings_counted),
    lag_frames: count(sums.lag_frames),
    readings_late: count(sums.readings_late),
    watermark: time,
    watermark_note: known ? `${date}, Δ ${span(sums.watermark_spread_seconds)}` : "no frame has come yet",
    windows_open: count(sums.windows_open),
    windows_closed: count(sums.windows_closed),
    maximum: volts(latest?.maximum_volts),
    maximum_note: maximumNote(answer),
  });
  document.getElementById("maximum").classList.toggle("is-over", latest?.maximum_volts > answer.threshold_volts);
  showAlerts(sums);
  showForecast(answer.forecast);
  showChart(answer);
  showLanes(answer);
  showWorkers(answer);
});
