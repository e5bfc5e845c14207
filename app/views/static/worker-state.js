// What a worker is busy with, as a coloured dot and words.

export function stateOf(worker) {
  if (worker.phase === null) return ["stale", worker.trouble];
  if (worker.phase === "running" && !worker.trouble) return ["live", worker.lanes.length ? "running" : "in reserve"];
  return ["partial", worker.trouble || worker.phase];
}

export function stateCell(cell) {
  const state = Object.assign(document.createElement("span"), { className: "state" });
  const dot = Object.assign(document.createElement("span"), { className: "dot" });
  state.append(dot, document.createElement("span"));
  cell.append(state);
}
