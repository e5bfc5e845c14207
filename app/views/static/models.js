// The models as they are, the versions that are kept, and the way back to one.

import { DASH, count, percent, setText, utc } from "./format.js";
import { emptyText } from "./grid.js";
import { follow } from "./live.js";
import { setRows } from "./rows.js";

const MODELS = { regression: "regression of volts", direct: "classifier of the label" };
const SERIES = { loss: "the published loss", volts: "the level missed", temperature: "the temperature" };
const EVENTS_SHOWN = 40;
const WAIT_MILLISECONDS = 30000;

const byId = (id) => document.getElementById(id);
const models = byId("models");
const versions = byId("versions");
const events = byId("events");
const chosen = byId("name");
const ask = byId("ask");
const mayOperate = document.querySelector("main").dataset.mayOperate === "yes";
const asked = new URLSearchParams(location.search).get("name");
let latest = null;
let wanted = null;
let written = null; // a return that was sent, until the models tell of it

const words = (name) => (name === "fleet" ? "the fleet" : name.replace("-", " "));
const three = (value) => (value == null ? DASH : value.toFixed(3));

function what({ kind, name }) {
  if (kind === "drift") return `drift: ${SERIES[name] ?? name} has risen`;
  if (kind === "champion") return `now published by the ${name === "direct" ? "classifier" : name}`;
  return `back to the version of ${utc(Number(name))}`;
}

function tone(cell, kind) {
  const badge = cell.firstChild ?? cell.appendChild(Object.assign(document.createElement("span"), { className: "badge" }));
  badge.dataset.event = kind ?? "";
  return badge;
}

function showModels({ models: rows }) {
  setRows(models.tBodies[0], rows.length, 9, new Set([2, 3, 4, 5, 6, 7]), (row, place) => {
    const one = rows[place];
    const { models: scores, same_as_now_accuracy: same } = one.week;
    const other = one.champion === "regression" ? "direct" : "regression";
    const last = one.events.at(-1);
    const texts = [
      words(one.name), MODELS[one.champion] ?? one.champion, count(one.transformers_count), count(one.labels_count),
      percent(scores.published?.accuracy), percent(same), three(scores.published?.log_loss), three(scores[other]?.log_loss),
    ];
    texts.forEach((text, column) => setText(row.cells[column], text));
    const badge = tone(row.cells[8], last?.kind);
    setText(badge, last ? what(last) : DASH);
    badge.title = last ? `${utc(last.window_start_epoch_seconds)} UTC` : "";
  });
  models.setAttribute("aria-busy", "false");
  byId("empty").hidden = rows.some((row) => row.labels_count > 0);
  if (!byId("empty").hidden) {
    byId("empty").replaceChildren(...emptyText("Nothing is learnt yet", "The first labels come one horizon after the first predictions."));
  }
  const drifts = rows.flatMap((row) => row.events).filter(({ kind }) => kind === "drift").length;
  const labels = rows.reduce((sum, row) => sum + row.labels_count, 0);
  setText(byId("count"), `${count(labels)} labels learnt, ${count(drifts)} drift${drifts === 1 ? "" : "s"} found lately`);
}

// The choice of names follows the lanes that there are; what was chosen stays.
function showNames({ models: rows, versions: { versions: kept } }) {
  const names = [...new Set(["fleet", ...rows.map((row) => row.name), ...kept.map((one) => one.name)])];
  if (names.length === chosen.options.length) return;
  const before = latest ? chosen.value : asked ?? rows[0]?.name;
  chosen.replaceChildren(...names.map((name) => new Option(words(name), name)));
  chosen.value = names.includes(before) ? before : "fleet";
}

function why({ is_known: known, reason }) {
  if (!known) return emptyText(reason === "not read yet" ? "Reading the versions" : "The versions cannot be read now", reason === "not read yet" ? "Cassandra is being asked." : `${reason}. The models above go on without it.`);
  return emptyText("No version is kept yet", "One is made at the beginning of each day of data, once labels have come, and the archive worker stores it.");
}

function showVersions({ versions: kept }) {
  const rows = kept.versions.filter(({ name }) => name === chosen.value);
  setRows(versions.tBodies[0], rows.length, 9, new Set([2, 3, 4, 5, 6, 7]), (row, place) => {
    const one = rows[place];
    const texts = [
      utc(one.version), MODELS[one.champion] ?? one.champion, count(one.labels_count), percent(one.accuracy),
      percent(one.same_as_now_accuracy), three(one.log_loss), percent(one.calibration_error), three(one.roc_auc),
    ];
    texts.forEach((text, column) => setText(row.cells[column], text));
    if (mayOperate) showButton(row.cells[8], one);
  });
  versions.setAttribute("aria-busy", String(kept.reason === "not read yet"));
  const empty = byId("versions-empty");
  empty.hidden = rows.length > 0;
  if (!rows.length) empty.replaceChildren(...why(kept));
  const trouble = kept.is_known && kept.reason ? `not current: ${kept.reason}` : "";
  setText(byId("versions-count"), trouble || (rows.length ? `the newest ${count(rows.length)}` : "\u00a0"));
}

function showButton(cell, one) {
  const button = cell.firstChild ?? cell.appendChild(Object.assign(document.createElement("button"), { type: "button", className: "acknowledge" }));
  const isWritten = written?.name === one.name && written.version === one.version;
  setText(button, isWritten ? "Going back …" : "Go back");
  button.disabled = isWritten;
  button.setAttribute("aria-label", `Go back to the version of ${utc(one.version)}`);
  button.onclick = () => question(one);
}

function showEvents({ models: rows }) {
  // What happens to many lanes at once, as a drift does, is one line.
  const lines = new Map();
  for (const row of rows) {
    for (const event of row.events) {
      const key = `${event.window_start_epoch_seconds} ${event.kind} ${event.name}`;
      if (!lines.has(key)) lines.set(key, { ...event, of: [] });
      lines.get(key).of.push(row.name);
    }
  }
  const all = [...lines.values()].sort((a, b) => b.window_start_epoch_seconds - a.window_start_epoch_seconds).slice(0, EVENTS_SHOWN);
  setRows(events.tBodies[0], all.length, 3, new Set(), (row, place) => {
    const one = all[place];
    setText(row.cells[0], utc(one.window_start_epoch_seconds));
    setText(tone(row.cells[1], one.kind), what(one));
    setText(row.cells[2], one.of.map(words).join(", "));
  });
  byId("events-empty").hidden = all.length > 0;
  if (!all.length) byId("events-empty").replaceChildren(...emptyText("Nothing out of the ordinary", "Drifts, changes of the published model and returns to a version appear here."));
}

function question(one) {
  wanted = one;
  setText(byId("ask-text"), `Let the models of ${words(one.name)} be those of ${utc(one.version)} UTC again? What labels have taught since is forgotten.`);
  setText(byId("ask-refused"), "");
  ask.showModal();
}

async function goBack() {
  const button = byId("ask-yes");
  button.disabled = true;
  try {
    const response = await fetch(`/api/v1/models/${wanted.name}/rollback`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ version: wanted.version }),
      signal: AbortSignal.timeout(WAIT_MILLISECONDS),
    });
    if (!response.ok) throw new Error((await response.json()).error);
    written = wanted;
    ask.close();
    showVersions(latest);
  } catch (error) {
    setText(byId("ask-refused"), `Not done: ${error.message}`);
  } finally {
    button.disabled = false;
  }
}

function isDone({ models: rows }) {
  const last = rows.find(({ name }) => name === written?.name)?.events.at(-1);
  return last?.kind === "version" && Number(last.name) === written.version;
}

follow(() => "/api/v1/models", (answer) => {
  if (isDone(answer)) written = null;
  showNames(answer);
  latest = answer;
  showModels(answer);
  showVersions(answer);
  showEvents(answer);
});
chosen.addEventListener("input", () => {
  history.replaceState(null, "", `?name=${chosen.value}`);
  if (latest) showVersions(latest);
});
byId("ask-yes").addEventListener("click", goBack);
