"""The figures of a run, summed over the /metrics of all its processes."""

import http.client
import math
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

from prometheus_client.parser import text_string_to_metric_families

from deploy.local.ports import HOST

__all__ = ["Figures", "Scraper"]

ANSWER_SECONDS_MAX = 5.0

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
    lanes: int  # lanes that a live worker answers for
    accuracy: float | None
    complete: bool  # every process answered

    def caught_up(self, lanes: int) -> bool:
        """Whether nothing is on its way, as far as all lanes are concerned."""
        still = all(lag == 0 for lag in self.lag.values())  # not so where not known
        return self.complete and self.lanes == lanes and still


class Scraper:
    """Reads /metrics of processes; the last answer stands for one that is silent."""

    def __init__(self, ports: Mapping[str, int], token: str = "") -> None:
        self.ports = dict(ports)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._last: dict[str, list[Sample]] = {}

    def read(self) -> Reading:
        """Ask every process now."""
        with ThreadPoolExecutor(len(self.ports)) as pool:
            answers = dict(
                zip(
                    self.ports,
                    pool.map(self._samples, self.ports.values()),
                    strict=True,
                )
            )
        self._last |= {name: found for name, found in answers.items() if found}
        samples = [sample for found in self._last.values() for sample in found]
        return _reading(samples, complete=all(answers.values()))

    def _samples(self, port: int) -> list[Sample]:
        """Return the samples of one process; none where it does not answer."""
        connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS_MAX)
        try:
            connection.request("GET", "/metrics", headers=self._headers)
            text = connection.getresponse().read().decode()
            return [
                (sample.name, sample.labels, sample.value)
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            ]
        except (OSError, http.client.HTTPException, ValueError):
            return []
        finally:
            connection.close()


def _reading(samples: Iterable[Sample], *, complete: bool) -> Reading:
    by_name: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for name, labels, value in samples:
        by_name.setdefault(name, []).append((labels, value))

    def total(name: str, **labels: str) -> float:
        return sum(
            value
            for found, value in by_name.get(f"smartmeter_{name}", [])
            if labels.items() <= found.items()
        )

    def count(name: str, **labels: str) -> int:
        found = total(name, **labels)
        return 0 if math.isnan(found) else round(found)

    accuracies = by_name.get("smartmeter_forecast_accuracy_ratio", [])
    right = [
        (ratio, total("forecast_predictions_scored_total", **labels))
        for labels, ratio in accuracies
        if not math.isnan(ratio)
    ]
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
            "bridge": total("bridge_lag_messages"),
            "live": total("live_lag_frames"),
            "archive": total("archive_lag_records"),
        },
        lanes=len(by_name.get("smartmeter_live_lag_frames", [])),
        accuracy=_mean(right),
        complete=complete,
    )


def _mean(weighted: Iterable[tuple[float, float]]) -> float | None:
    """Return the mean of values with their weights; none where nothing weighs."""
    found = list(weighted)
    weight = sum(weight for _, weight in found)
    return sum(value * weight for value, weight in found) / weight if weight else None
