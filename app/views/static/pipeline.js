// How the road runs: topics in their order, each with who reads it and how far behind.

import { DASH, count, rate, setText, span, utcSeconds } from "./format.js";
import { follow } from "./live.js";
import { setRows } from "./rows.js";
import { stateOf, stateCell } from "./worker-state.js";

const flow = document.getElementById("flow");
const processes = document.getElementById("processes");
const MEBIBYTE = 1024 * 1024;

function ago(seconds) {
  if (seconds == null) return "none seen yet";
  return seconds < 2 ? "just now" : `${span(Math.round(seconds))} ago`;
}

// A topic, then its readers below it.
function lines({ topics, readers }) {
  return topics.flatMap((topic) => [
    {
      topic: true,
      words: [topic.topic, rate(topic.records_per_second), "", ago(topic.grew_seconds_ago), count(topic.records_count), topic.help],
    },
    ...readers.filter((reader) => reader.topic === topic.topic).map((reader) => ({
      lag: reader.lag_records,
      words: [reader.reader, rate(reader.records_per_second), count(reader.lag_records), "", "", ""],
    })),
  ]);
}

function showFlow(answer) {
  const all = lines(answer);
  setRows(flow.tBodies[0], all.length, 6, new Set([1, 2, 3, 4]), (row, place) => {
    const line = all[place];
    row.classList.toggle("is-topic", Boolean(line.topic));
    row.classList.toggle("is-reader", !line.topic);
    line.words.forEach((word, column) => setText(row.cells[column], word));
    row.cells[5].title = line.words[5];
  });
  flow.setAttribute("aria-busy", "false");
}

async function showProcesses() {
  const response = await fetch("/api/v1/overview");
  const { workers } = await response.json();
  setRows(processes.tBodies[0], workers.length, 6, new Set([3, 4]), (row, place) => {
    const worker = workers[place];
    if (!row.dataset.ready) {
      row.dataset.ready = "yes";
      row.cells[0].className = "url";
      row.cells[0].append(document.createElement("a"));
      stateCell(row.cells[1]);
    }
    const link = row.cells[0].firstChild;
    setText(link, worker.url.replace(/^https?:\/\//, ""));
    if (link.getAttribute("href") !== worker.url) link.setAttribute("href", worker.url);
    const [state, words] = stateOf(worker);
    row.cells[1].firstChild.dataset.state = state;
    setText(row.cells[1].firstChild.lastChild, words);
    setText(row.cells[2], worker.lanes.join(", ") || DASH);
    setText(row.cells[3], count(worker.rebalances_count));
    setText(row.cells[4], worker.resident_bytes == null ? DASH : count(worker.resident_bytes / MEBIBYTE));
    setText(row.cells[5], utcSeconds(worker.started_epoch_seconds));
  });
}

follow(() => "/api/v1/pipeline", (answer) => {
  showFlow(answer);
  // The topics are the page; where the workers do not answer, their last word stays.
  showProcesses().catch(() => {});
});
