// Keeps a page current, and says so when it is not: loading, live, partial or stale.

import { clock, lanes, setText } from "./format.js";

const RETRY_MILLISECONDS = 2000;
const SILENCE_MILLISECONDS = 12000;

const pulse = document.getElementById("pulse");
const pulseText = document.getElementById("pulse-text");
const notice = document.getElementById("notice");

let answeredAt = 0;

// On a phone the bar of pages is wider than the screen: begin at this page.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

function tell(state, text, message, kind) {
  pulse.dataset.state = state;
  setText(pulseText, text);
  document.body.toggleAttribute("data-stale", state === "stale");
  notice.hidden = !message;
  notice.dataset.kind = kind ?? "";
  setText(notice, message ?? "");
}

let lastAnswer = null;

// Nothing has changed: what is shown is as good as new.
function stillTrue() {
  if (lastAnswer) tellAnswer(lastAnswer);
}

function tellAnswer(answer) {
  lastAnswer = answer;
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

// An event stream that was refused does not say why: the same page, asked once, does.
async function reasonFor(path) {
  try {
    const response = await fetch(path, { signal: AbortSignal.timeout(SILENCE_MILLISECONDS) });
    if (response.status === 401) location.reload(); // the session is over: sign in
    const answer = await response.json();
    return answer.error ?? "the stream was refused";
  } catch (error) {
    return error instanceof TypeError ? "the worker cannot be reached" : "no answer in time";
  }
}

// Calls show(answer) with the JSON of path() whenever it changes, while somebody looks.
// Returns a function that asks anew, for when path() has changed.
export function follow(path, show) {
  let source = null;
  let silence = 0;
  let retry = 0;

  function close() {
    source?.close();
    source = null;
    clearTimeout(silence);
    clearTimeout(retry);
  }

  function heard() {
    clearTimeout(silence);
    silence = setTimeout(() => {
      tellFailure("no answer in time");
      open();
    }, SILENCE_MILLISECONDS);
  }

  async function failed(mine) {
    if (mine.readyState !== EventSource.CLOSED) {
      tellFailure("the worker cannot be reached"); // the browser tries again by itself
      return;
    }
    const reason = await reasonFor(path());
    if (mine !== source) return;
    tellFailure(reason);
    retry = setTimeout(open, RETRY_MILLISECONDS);
  }

  function open() {
    close();
    const mine = new EventSource(path());
    source = mine;
    heard();
    mine.addEventListener("answer", ({ data }) => {
      const answer = JSON.parse(data);
      heard();
      if (answer.error) {
        tellFailure(answer.error);
        return;
      }
      tellAnswer(answer);
      show(answer);
    });
    mine.addEventListener("same", () => {
      heard();
      stillTrue();
    });
    mine.addEventListener("trouble", ({ data }) => {
      heard();
      tellFailure(JSON.parse(data).error);
    });
    mine.addEventListener("error", () => failed(mine));
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else open();
  });
  open();
  return open;
}
