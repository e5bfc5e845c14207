// What goes out on NATS, live: how many a second of each subject, and the last ones.

import { count, rate, setText } from "./format.js";
import { emptyText } from "./grid.js";
import { follow } from "./live.js";
import { setRows } from "./rows.js";

const LIMIT = "100";
const form = document.getElementById("filters");
const subjects = document.getElementById("subjects");
const messages = document.getElementById("messages");
const counter = document.getElementById("count");
const empty = document.getElementById("empty");
const pause = document.getElementById("pause");
const wanted = { subject: new URLSearchParams(location.search).get("subject") ?? "" };
form.elements.subject.value = wanted.subject;
let shown = null; // what is on the page; while it is paused, latest goes on
let latest = null;

const isPaused = () => pause.getAttribute("aria-pressed") === "true";
const moment = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 23);
const newest = (answer) => answer?.messages[0]?.number ?? 0;

// Words and numbers as a person reads them; what is nested stays JSON.
function written(content) {
  if (content === null || typeof content !== "object" || Array.isArray(content)) return JSON.stringify(content);
  const names = Object.keys(content);
  if (names.length === 1 && (names[0] === "text" || names[0] === "hex")) return String(content[names[0]]);
  return names.map((name) => `${name} ${typeof content[name] === "object" ? JSON.stringify(content[name]) : content[name]}`).join(", ");
}

function whyEmpty({ state, reason }) {
  if (state === "away") return emptyText("NATS is not there now", `${reason}. Trying again.`);
  if (state === "connecting") return emptyText("Connecting to NATS", "This worker subscribes while somebody looks.");
  if (wanted.subject) return emptyText("No message matches", "None of the last ones has such a subject. A word is enough, or tokens with * for one and > for the rest.");
  return emptyText("Nothing has come yet", "Maxima, temperatures, alerts and predictions appear here as they go out, from when you began to look.");
}

function showSubjects(answer) {
  setRows(subjects.tBodies[0], answer.subjects.length, 3, new Set([1, 2]), (row, place) => {
    const one = answer.subjects[place];
    row.cells[0].classList.add("url");
    [one.subject, rate(one.messages_per_second), count(one.messages_count)].forEach((text, column) => setText(row.cells[column], text));
  });
  subjects.setAttribute("aria-busy", String(answer.state === "connecting"));
  empty.hidden = answer.subjects.length > 0 && answer.state !== "away";
  if (!empty.hidden) empty.replaceChildren(...whyEmpty(answer));
}

function showMessages(answer) {
  setRows(messages.tBodies[0], answer.messages.length, 3, new Set(), (row, place) => {
    const one = answer.messages[place];
    row.cells[1].classList.add("url");
    row.cells[2].classList.add("url");
    setText(row.cells[0], moment(one.at_epoch_seconds));
    setText(row.cells[1], one.subject);
    setText(row.cells[2], written(one.content) + (one.is_cut ? " …" : ""));
  });
}

function showCount() {
  const waiting = newest(latest) - newest(shown);
  const all = latest.subjects.reduce((sum, one) => sum + one.messages_per_second, 0);
  setText(counter, isPaused() ? `paused, ${count(waiting)} more since` : `${rate(all)} a second`);
}

function show(answer) {
  latest = answer;
  if (!isPaused()) {
    shown = answer;
    showMessages(answer);
  }
  showSubjects(answer);
  showCount();
}

const refresh = follow(() => `/api/v1/messages?${new URLSearchParams({ ...wanted, limit: LIMIT })}`, show);

pause.addEventListener("click", () => {
  pause.setAttribute("aria-pressed", String(!isPaused()));
  setText(pause, isPaused() ? "Go on" : "Pause");
  if (latest) show(latest);
});
form.addEventListener("input", () => {
  wanted.subject = form.elements.subject.value.trim();
  history.replaceState(null, "", wanted.subject ? `?${new URLSearchParams(wanted)}` : location.pathname);
  refresh();
});
form.addEventListener("submit", (event) => event.preventDefault());
