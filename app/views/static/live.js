// Keeps a page current, and says so when it is not: loading, live, partial or stale.

import { clock, lanes, setText } from "./format.js";

const PAUSE_MILLISECONDS = 2000;
const TIMEOUT_MILLISECONDS = 6000;

const pulse = document.getElementById("pulse");
const pulseText = document.getElementById("pulse-text");
const notice = document.getElementById("notice");

let answeredAt = 0;

function tell(state, text, message, kind) {
  pulse.dataset.state = state;
  setText(pulseText, text);
  document.body.toggleAttribute("data-stale", state === "stale");
  notice.hidden = !message;
  notice.dataset.kind = kind ?? "";
  setText(notice, message ?? "");
}

function tellAnswer(answer) {
  answeredAt = Date.now();
  const missing = answer.missing ?? { lanes: [], workers: [] };
  const words = missing.workers.map(({ url, reason }) => `${url} ${reason}.`);
  if (missing.lanes.length) {
    words.push(`Missing here: ${lanes(missing.lanes)}, until a worker has taken over.`);
  } else if (answer.incomplete_lanes?.length) {
    words.push(`Closed windows are still being read back for ${lanes(answer.incomplete_lanes)}.`);
  }
  if (words.length) tell("partial", "Incomplete", words.join(" "));
  else tell("live", "Live");
}

function tellFailure(reason) {
  if (!answeredAt) {
    tell("stale", "No answer", `This worker has not answered yet: ${reason}. Trying again.`, "stale");
  } else {
    const at = clock(answeredAt);
    tell("stale", `Stale since ${at}`, `What you see is from ${at}: ${reason}. Trying again.`, "stale");
  }
}

async function ask(path, signal) {
  const timeout = AbortSignal.timeout(TIMEOUT_MILLISECONDS);
  const response = await fetch(path, { signal: AbortSignal.any([signal, timeout]) });
  const answer = await response.json();
  if (!response.ok && answer.error) throw new Error(answer.error);
  return answer;
}

function reasonOf(error) {
  if (error.name === "TimeoutError") return "no answer in time";
  if (error instanceof TypeError) return "the worker cannot be reached";
  return error.message;
}

// Calls show(answer) with the JSON of path() again and again, while somebody looks.
// Returns a function that asks at once, for when path() has changed.
export function follow(path, show) {
  let timer = 0;
  let asking = new AbortController();

  async function round() {
    clearTimeout(timer);
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    try {
      const answer = await ask(path(), signal);
      if (signal.aborted) return;
      tellAnswer(answer);
      show(answer);
    } catch (error) {
      if (signal.aborted) return;
      tellFailure(reasonOf(error));
    }
    if (!document.hidden) timer = setTimeout(round, PAUSE_MILLISECONDS);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) round();
  });
  round();
  return round;
}
