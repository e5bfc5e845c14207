// Voltage over time, drawn by uPlot: a band from minimum to maximum, the mean, the
// threshold, and what is foreseen. Times are UTC, as everywhere on the site.

const LEGEND_ENTRY_WIDTH = 170;
const GRID_FONT = "12px system-ui, 'DejaVu Sans', sans-serif";
const dark = matchMedia("(prefers-color-scheme: dark)");

const narrow = matchMedia("(max-width: 640px)");

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const written = (_, value) => (value == null ? "–" : `${value.toFixed(2)} V`);

const moment = (seconds) => new Date(seconds * 1000).toISOString();

// Hours of the day, and the date where it begins.
function times(_, ticks) {
  let date = "";
  return ticks.map((tick) => {
    const text = moment(tick);
    const begins = text.slice(0, 10) !== date;
    date = text.slice(0, 10);
    return begins ? `${text.slice(11, 16)}\n${date}` : text.slice(11, 16);
  });
}

function axis(more) {
  return {
    stroke: colour("--muted"),
    font: GRID_FONT,
    grid: { stroke: colour("--rule"), width: 1 },
    ticks: { stroke: colour("--rule"), width: 1 },
    ...more,
  };
}

// Marks alone: what came of what was foreseen.
function marks(label, stroke, fill) {
  return { label, stroke, value: written, paths: () => null, points: { show: true, size: 9, width: 2, fill, stroke } };
}

function line(label, stroke, more) {
  return { label, stroke, width: 1.5, value: written, points: { show: false }, ...more };
}

// Volts need some air, and a fleet at rest must not look like one in a storm.
function range(_, low, high) {
  const middle = (low + high) / 2;
  const half = Math.max((high - low) * 0.58, 1);
  return [middle - half, middle + half];
}

// The legend is below the plot, in one line or two; a phone has no room for it.
function plotHeight(element, entries) {
  const lines = Math.ceil((entries * LEGEND_ENTRY_WIDTH) / element.clientWidth);
  return element.clientHeight - (narrow.matches ? 10 : 7 + 27 * lines);
}

function options(element, series, bands) {
  return {
    width: element.clientWidth,
    height: plotHeight(element, series.length + 1),
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: { y: { range } },
    axes: [axis({ values: times }), axis({ size: 66, values: (_, ticks) => ticks.map((tick) => `${tick.toFixed(1)} V`) })],
    series: [{ label: "Window", value: (_, at) => (at == null ? "–" : moment(at).slice(0, 16).replace("T", " ")) }, ...series],
    bands,
    cursor: { points: { size: 7 } },
    legend: { live: true },
  };
}

export class Chart {
  // describe() returns the series and bands, read again when day turns to night.
  constructor(element, describe) {
    this.element = element;
    this.describe = describe;
    this.data = null;
    this.plot = null;
    new ResizeObserver(() => this.resize()).observe(element);
    dark.addEventListener("change", () => {
      this.plot?.destroy();
      this.plot = null;
      if (this.data) this.show(this.data);
    });
  }

  show(data, summary) {
    this.data = data;
    if (summary) this.element.setAttribute("aria-label", summary);
    if (typeof uPlot === "undefined") {
      this.element.textContent = "The charts are not installed here: make install brings them.";
    } else if (this.plot) {
      this.plot.setData(data);
    } else {
      const { series, bands } = this.describe();
      this.element.replaceChildren();
      this.plot = new uPlot(options(this.element, series, bands), data, this.element);
    }
  }

  resize() {
    this.plot?.setSize({ width: this.element.clientWidth, height: plotHeight(this.element, this.plot.series.length) });
  }
}

export function fleetSeries() {
  return {
    series: [
      line("Maximum", colour("--accent"), { width: 2, points: { show: true, size: 4 } }),
      line("Threshold", colour("--bad"), { dash: [6, 4] }),
    ],
    bands: [],
  };
}

export function transformerSeries() {
  return {
    series: [
      line("Maximum", colour("--accent"), { width: 2 }),
      line("Mean", colour("--muted")),
      line("Minimum", colour("--accent")),
      line("Foretold maximum", colour("--warn"), { width: 2, dash: [4, 4] }),
      line("Threshold", colour("--bad"), { dash: [6, 4] }),
      marks("Over, foreseen", colour("--good"), colour("--good")),
      marks("Over, missed", colour("--bad"), colour("--panel")),
      marks("False alarm", colour("--warn"), colour("--panel")),
    ],
    bands: [{ series: [1, 3], fill: colour("--band") }],
  };
}
