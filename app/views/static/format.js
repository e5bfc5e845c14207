// How figures are written, everywhere the same: grouped thousands, two decimals of a
// volt, times in UTC.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const DASH = "–";

export const count = (value) => (value == null ? DASH : whole.format(value));

export const volts = (value) => (value == null ? DASH : value.toFixed(2));

export const percent = (share) => (share == null ? DASH : (100 * share).toFixed(1));

export function rate(value) {
  if (value == null) return DASH;
  return value > 0 && value < 10 ? value.toFixed(1) : whole.format(value);
}

// The start of a window, to the minute; finer windows show their seconds.
export function utc(epochSeconds) {
  const text = utcSeconds(epochSeconds);
  return text.endsWith(":00") ? text.slice(0, 16) : text;
}

// A moment that moves, always of one width.
export function utcSeconds(epochSeconds) {
  if (epochSeconds == null) return DASH;
  return new Date(epochSeconds * 1000).toISOString().slice(0, 19).replace("T", " ");
}

export const clock = (milliseconds) => new Date(milliseconds).toISOString().slice(11, 19);

export function span(seconds) {
  if (seconds == null) return DASH;
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

export const lanes = (numbers) =>
  numbers.length ? `lane${numbers.length > 1 ? "s" : ""} ${numbers.join(", ")}` : "no lanes";

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setFigures(root, figures) {
  for (const [name, text] of Object.entries(figures)) {
    setText(root.querySelector(`[data-figure="${name}"]`), text);
  }
}
