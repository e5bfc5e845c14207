"""The JSON of the models: as they are now, their versions, and going back to one."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
from aiohttp import web
from aiokafka.errors import KafkaError

from app.errors import RejectedMessage, RejectedQuery, RejectedState, SmartMeterError
from app.predictor import versions
from app.predictor.lane import LaneForecast
from app.predictor.rules import rules_of
from app.predictor.scores import figures
from app.sinks.versions import StoredVersion
from app.views.answers import (
    bad,
    envelope,
    is_local,
    json_response,
    lanes_asked_for,
    lanes_of,
)
from app.views.peers import Gathered, Part, Peers
from app.views.worker import Worker
from app.wire.models import FLEET, RollBack, encode_roll_back, lane_name, names

__all__ = ["Models"]

SHOWN_PER_NAME = 30
FRESH_SECONDS = 10.0
LOOKED_AT_SECONDS = 30.0
LOOK_SECONDS = 0.5
PATH = "/api/v1/models"
SCORES = ("accuracy", "log_loss", "calibration_error", "roc_auc")
Row = Mapping[str, Any]


class Models:
    """Models of all lanes, what Cassandra keeps of them, and a way back."""

    def __init__(self, worker: Worker, peers: Peers) -> None:
        self._worker = worker
        self._peers = peers
        self._stored = _Stored(worker)

    @property
    def routes(self) -> list[web.RouteDef]:
        """The paths."""
        return [
            web.get(PATH, self.answer),
            web.post(PATH + r"/{name:[\w-]{1,40}}/rollback", self.roll_back),
        ]

    async def step(self) -> float:
        """Read the versions anew while somebody looks; return seconds to wait."""
        return await self._stored.step()

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with the models of all lanes, and with the versions that are kept."""
        if is_local(request):
            found = Gathered.alone(await self._local(lanes_asked_for(request)))
        else:
            found = await self._peers.gather(
                PATH,
                {},
                lanes_of(self._worker, None, None),
                local=self._local,
                read=lambda answer: list(answer["models"]),
            )
        rows = sorted((row for part in found.values for row in part), key=_order)
        body = {**envelope(self._worker, found), "models": rows}
        if not is_local(request):
            body["versions"] = self._stored.answer()
        return await json_response(body)

    async def _local(self, lanes: Collection[int]) -> Part[list[Row]]:
        mine = {n: each for n, each in self._worker.models().items() if n in lanes}
        rows: list[Row] = []
        for lane, first in mine.items():
            for state in first.all_horizons:
                rows.append(_row(lane_name(lane) + state.ending, lane, state))
                if state.fleet is not None:
                    rows.append(_row(FLEET + state.ending, lane, state.fleet))
        return Part(value=rows, lanes=list(mine), incomplete=[])

    async def roll_back(self, request: web.Request) -> web.Response:
        """Write that models go back to a version; 202: their worker will know soon.

        The body is {"version": number}. 409 where the version does not match.
        """
        name = request.match_info["name"]
        lane = self._names().get(name)
        if lane is None:
            raise web.HTTPNotFound(text=f"no models are called {name}")
        number = await _number(request)
        try:
            version, state = await asyncio.to_thread(
                self._worker.stored_state, name, number
            )
            await asyncio.to_thread(self._check, name, state)
            command = RollBack(
                name=name, version=version.number, at=int(time.time()), state=state
            )
            value = encode_roll_back(command)
        except RejectedQuery as error:
            raise web.HTTPNotFound(text=str(error)) from None
        except (RejectedState, RejectedMessage) as error:
            raise web.HTTPConflict(text=str(error)) from None
        except SmartMeterError as error:
            raise web.HTTPServiceUnavailable(text=str(error)) from None
        try:
            await self._worker.order(lane, value)
        except (KafkaError, TimeoutError) as error:
            raise web.HTTPServiceUnavailable(
                text=f"Kafka does not answer: {error!r}"
            ) from None
        return await json_response({"name": name, "version": number}, status=202)

    def _names(self) -> dict[str, int]:
        settings = self._worker.settings
        return names(settings.kafka.lanes, settings.forecast.horizons)

    def _check(self, name: str, state: str) -> None:
        settings = self._worker.settings
        horizons = settings.forecast.horizons
        further = (hours for hours in horizons[1:] if name.endswith(f"-{hours}h"))
        rules = rules_of(settings, next(further, horizons[0]))
        versions.check(orjson.loads(state), rules)


class _Stored:
    """The versions in Cassandra, read now and then, and only while somebody looks."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._asked = self._read = float("-inf")
        self._versions: Sequence[StoredVersion] = ()
        self._reason = "not read yet"
        self._is_known = False

    async def step(self) -> float:
        now = time.monotonic()
        if now - self._asked < LOOKED_AT_SECONDS and now - self._read > FRESH_SECONDS:
            settings = self._worker.settings
            known = [*names(settings.kafka.lanes, settings.forecast.horizons)]
            try:
                self._versions = await asyncio.to_thread(
                    self._worker.stored_versions, known, SHOWN_PER_NAME
                )
                self._is_known, self._reason = True, ""
            except SmartMeterError as error:
                self._reason = str(error)
            self._read = time.monotonic()
        return LOOK_SECONDS

    def answer(self) -> dict[str, Any]:
        """Return what is known of them, and why not more."""
        self._asked = time.monotonic()
        return {
            "is_known": self._is_known,
            "reason": self._reason,
            "versions": [_version(each) for each in self._versions],
        }


async def _number(request: web.Request) -> int:
    try:
        number = (await request.json())["version"]
    except (KeyError, TypeError, ValueError):
        number = None
    if type(number) is not int:
        raise bad('the body is {"version": number}')
    return number


def _row(name: str, lane: int, state: LaneForecast) -> dict[str, Any]:
    forecaster = state.forecaster
    week = figures(forecaster.scores.week)
    return {
        "name": name,
        "lane": lane,
        "champion": forecaster.champion,
        "transformers_count": forecaster.transformers,
        "labels_count": forecaster.scores.scored,
        "windows_count": forecaster.level.learnt,
        "waiting_count": sum(
            len(each.key) for some in forecaster.pending.values() for each in some
        ),
        "week": {
            "labels_count": week["labels"],
            "same_as_now_accuracy": week.get("same_as_now", {}).get("accuracy"),
            "models": {
                model: {score: week[model][score] for score in SCORES}
                for model in ("published", "regression", "direct")
                if model in week
            },
        },
        "events": [
            {"window_start_epoch_seconds": start, "kind": kind, "name": what}
            for start, kind, what in state.events
        ],
    }


def _order(row: Row) -> tuple[bool, int, str]:
    """Return what sorts models: the fleet first, then the lanes."""
    return not row["name"].startswith(FLEET), row["lane"], row["name"]


def _version(version: StoredVersion) -> dict[str, Any]:
    summary = version.summary
    week = summary["week"]
    return {
        "name": version.name,
        "version": version.number,
        "made_epoch_seconds": version.made,
        "champion": summary["champion"],
        "transformers_count": summary["transformers"],
        "labels_count": summary["labels"],
        "same_as_now_accuracy": week["same_as_now"],
        **{score: week[score] for score in SCORES},
    }
