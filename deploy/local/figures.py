"""The figures of a run, summed over the /metrics of all its processes.

Processes come and go: what one has counted is known of each of its lives from the last
look at it. The live workers' figures are of their lanes' durable state, and go on from
worker to worker; the other stages count anew in each life.
"""

import http.client
import math
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace

from prometheus_client.parser import text_string_to_metric_families

from deploy.local.pages import Pages

__all__ = ["Figures", "Scraper"]

LIFE = "process_start_time_seconds"
# Of durable state, by lane: a lane's figures only grow, whoever has it.
DURABLE = ("smartmeter_live_", "smartmeter_forecast_")

Sample = tuple[str, Mapping[str, str], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What has come how far: readings, windows, rows and predictions.

    published  readings that JetStream acknowledged
    bridged    readings in frames that Kafka acknowledged
    counted    readings in windows; late and dead_letters: the other two ways out
    raw_data   rows that Cassandra acknowledged, as are windows and max_voltage
    """

    published: int = 0
    bridged: int = 0
    counted: int = 0
    late: int = 0
    dead_letters: int = 0
    windows_closed: int = 0
    raw_data: int = 0
    refused: int = 0
    windows: int = 0
    max_voltage: int = 0
    predictions_made: int = 0
    predictions_scored: int = 0

    def since(self, earlier: "Figures") -> "Figures":
        """Return what was added since.

        >>> Figures(counted=5).since(Figures(counted=2)).counted
        3
        """
        return Figures(
            **{
                field.name: getattr(self, field.name) - getattr(earlier, field.name)
                for field in fields(self)
            }
        )

    @property
    def off(self) -> str:
        """Say which sum does not hold; empty when every reading is accounted for.

        >>> Figures(published=3, counted=1, late=1, dead_letters=1).off
        ''
        >>> Figures(published=3, counted=1).off
        '3 published, but 1 counted + 0 late + 0 dead letters = 1'
        """
        ended = self.counted + self.late + self.dead_letters
        if self.published != ended:
            return (
                f"{self.published} published, but {self.counted} counted + {self.late}"
                f" late + {self.dead_letters} dead letters = {ended}"
            )
        if self.raw_data + self.refused < self.bridged:
            return f"{self.bridged} bridged, but {self.raw_data} rows in raw_data"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The figures at one moment, and what is on its way."""

    figures: Figures
    lag: dict[str, float]  # by stage; not a number where it is not known
    lanes: dict[str, int]  # by stage, those that a process answers for
    accuracy: float | None
    complete: bool  # every process answered
    rows_known: bool = True  # every archive worker that there was still answers

    def caught_up(self, lanes: int) -> bool:
        """Whether nothing is on its way, as far as all lanes are concerned."""
        # Not so where a lag is not known.
        still = all(lag == 0 for lag in self.lag.values())
        return self.complete and still and set(self.lanes.values()) == {lanes}

    def since(self, earlier: Figures, lanes: int) -> "Reading":
        """Return what was added since; what ended processes had not told is inferred.

        A bridge that was killed takes with it what it counted after the last look: at
        least what was counted behind it was bridged. An archive worker does, too, and
        its successor counts some rows again: when nothing waits, offsets say it, for
        they are committed after the rows.
        """
        figures = self.figures.since(earlier)
        bridged = max(figures.bridged, figures.counted + figures.late)
        figures = replace(figures, bridged=bridged)
        stored = self.lag["archive"] == 0 and self.lanes["archive"] == lanes
        if not self.rows_known and stored:
            figures = replace(figures, raw_data=bridged - figures.refused)
        return replace(self, figures=figures)


class Scraper:
    """Reads /metrics of processes; ports may change between one look and the next."""

    def __init__(self, ports: Mapping[str, int], pages: Pages) -> None:
        self.ports = ports
        self._pages = pages
        self._lives: dict[tuple[str, float], list[Sample]] = {}

    def read(self) -> Reading:
        """Ask every process now."""
        asked = dict(self.ports)
        with ThreadPoolExecutor(max(1, len(asked))) as pool:
            answers = dict(
                zip(asked, pool.map(self._samples, asked.values()), strict=True)
            )
        now = {(name, _life(found)): found for name, found in answers.items() if found}
        self._lives |= now
        rows_known = all(
            life in now for life in self._lives if life[0].startswith("archive")
        )
        return _reading(
            now.values(),
            self._lives.values(),
            complete=len(now) == len(asked),
            rows_known=rows_known,
        )

    def _samples(self, port: int) -> list[Sample]:
        """Return the samples of one process; none where it does not answer."""
        try:
            _, text = self._pages.ask(port, "/metrics")
            return [
                (sample.name, sample.labels, sample.value)
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            ]
        except (OSError, http.client.HTTPException, ValueError):
            return []


def _life(samples: Iterable[Sample]) -> float:
    """Return when the process began whose samples these are."""
    return next((value for name, _, value in samples if name == LIFE), 0.0)


Labelled = list[tuple[Mapping[str, str], float]]


class _Samples:
    """Samples of several processes, by name."""

    def __init__(self, processes: Iterable[Iterable[Sample]]) -> None:
        self._found: dict[str, Labelled] = {}
        for samples in processes:
            for name, labels, value in samples:
                self._found.setdefault(name, []).append((labels, value))

    def named(self, name: str) -> Labelled:
        """Return labels and values of a metric; of durable ones, the highest each."""
        name = f"smartmeter_{name}"
        found = self._found.get(name, [])
        if not (name.startswith(DURABLE) and name.endswith("_total")):
            return found
        highest: dict[frozenset[tuple[str, str]], tuple[Mapping[str, str], float]] = {}
        for labels, value in found:
            key = frozenset(labels.items())
            if key not in highest or highest[key][1] < value:
                highest[key] = (labels, value)
        return list(highest.values())

    def total(self, name: str, **labels: str) -> float:
        """Return a metric's sum over the series that have these labels."""
        return sum(
            value
            for found, value in self.named(name)
            if labels.items() <= found.items()
        )

    def lanes(self, name: str) -> int:
        """Return of how many lanes there is a series."""
        return len({labels["lane"] for labels, _ in self.named(name)})

    def count(self, name: str, **labels: str) -> int:
        """Return the same as a whole number, 0 where it is not known."""
        found = self.total(name, **labels)
        return 0 if math.isnan(found) else round(found)


def _reading(
    now: Iterable[Iterable[Sample]],
    ever: Iterable[Iterable[Sample]],
    *,
    complete: bool,
    rows_known: bool = True,
) -> Reading:
    """Return what processes say now, and what all that there were have counted."""
    present, samples = _Samples(now), _Samples(ever)
    right = [
        (ratio, samples.total("forecast_predictions_scored_total", **labels))
        for labels, ratio in present.named("forecast_accuracy_ratio")
        if not math.isnan(ratio)
    ]
    count = samples.count
    return Reading(
        figures=Figures(
            published=count("simulator_readings_published_total"),
            bridged=count("bridge_readings_total"),
            dead_letters=count("bridge_dead_letters_total"),
            counted=count("live_readings_counted_total"),
            late=count("live_readings_late_total"),
            windows_closed=count("live_windows_closed_total"),
            raw_data=count("archive_rows_total", table="raw_data"),
            refused=count("archive_rows_refused_total", table="raw_data"),
            windows=count("archive_rows_total", table="windows"),
            max_voltage=count("archive_rows_total", table="max_voltage"),
            predictions_made=count("forecast_predictions_made_total"),
            predictions_scored=count("forecast_predictions_scored_total"),
        ),
        lag={
            "bridge": present.total("bridge_lag_messages"),
            "live": present.total("live_lag_frames"),
            "archive": present.total("archive_lag_records"),
        },
        lanes={
            # A lane of the bridge has a lag from its first message on.
            "bridge": present.count("bridge_lanes"),
            "live": present.lanes("live_lag_frames"),
            "archive": present.lanes("archive_lag_records"),
        },
        accuracy=_mean(right),
        complete=complete,
        rows_known=rows_known,
    )


def _mean(weighted: Iterable[tuple[float, float]]) -> float | None:
    """Return the mean of values with their weights; none where nothing weighs."""
    found = list(weighted)
    weight = sum(weight for _, weight in found)
    return sum(value * weight for value, weight in found) / weight if weight else None
