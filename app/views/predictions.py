"""The JSON of what is foreseen, and of how right it was."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from app.predictor.pending import Pending
from app.predictor.tally import SIZE, Tally
from app.views.answers import (
    envelope,
    is_local,
    json_response,
    key,
    lanes_asked_for,
    lanes_of,
    number,
    one_of,
)
from app.views.apart import apart
from app.views.outlook import (
    COLUMNS,
    Outlook,
    foreseen,
    look_ahead,
    merge_outlooks,
    one_transformer,
    score_tables,
    waiting,
)
from app.views.peers import Gathered, Part, Peers
from app.views.presentation import objects_of
from app.views.worker import Worker
from tables.models import FLEET_KEY, ModelsState

__all__ = ["Predictions"]

LIMIT_MAX = 1_000
LIMIT_DEFAULT = 50
_One = tuple[list[dict[str, Any]], list[dict[str, Any]]]
ONE = r"/api/v1/transformers/{line:\d+}/{transformer:\d+}/predictions"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Forecasts:
    """What a worker foresees, and the counts of what it scored, by period."""

    outlook: Outlook
    made: int
    week: NDArray[np.float64]
    total: NDArray[np.float64]
    champions: Mapping[str, str]  # by lane
    fleet: list[dict[str, Any]]


class Predictions:
    """Predictions of all transformers, of one, and their scores."""

    def __init__(self, worker: Worker, peers: Peers) -> None:
        self._worker = worker
        self._peers = peers
        self._alert = worker.settings.forecast.alert_probability

    @property
    def routes(self) -> list[web.RouteDef]:
        """The paths."""
        return [
            web.get("/api/v1/predictions", self.answer),
            web.get(ONE, self.transformer),
        ]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with the likeliest transformers, limit of them, and all scores."""
        text = request.query.get("limit", str(LIMIT_DEFAULT))
        limit = number(text, "limit", 1, LIMIT_MAX)
        hours = self._hours(request)
        if is_local(request):
            part = await self.local(limit, hours, lanes_asked_for(request))
            found = Gathered.alone(part)
        else:
            found = await self._peers.gather(
                "/api/v1/predictions",
                {"limit": str(limit), "hours": str(hours)},
                lanes_of(self._worker, None, None),
                local=lambda lanes: self.local(limit, hours, lanes),
                read=_read,
            )
        body = await asyncio.to_thread(self._body, found, limit, hours)
        if is_local(request):
            # From these the worker that asks makes the scores of all.
            (own,) = found.values
            body["counts"] = {"week": _sparse(own.week), "total": _sparse(own.total)}
        return await json_response(body, rows=len(body["transformers"]))

    def _hours(self, request: web.Request) -> int:
        """Return the horizon that is asked for, the leading one by default."""
        known = tuple(map(str, self._worker.settings.forecast.horizons))
        return int(one_of(request.query, "hours", known))

    def _body(
        self, found: Gathered[_Forecasts], limit: int, hours: int
    ) -> dict[str, Any]:
        values = found.values
        outlook = merge_outlooks((each.outlook for each in values), limit)
        week = np.sum([each.week for each in values], axis=0)
        total = np.sum([each.total for each in values], axis=0)
        return {
            **envelope(self._worker, found),
            "horizon_hours": hours,
            "alert_probability": self._alert,
            "predictions_made": sum(each.made for each in values),
            "champions": {n: name for v in values for n, name in v.champions.items()},
            "scores": {"week": score_tables([week]), "total": score_tables([total])},
            "transformers_count": outlook.transformers,
            "transformers_with_alert_count": outlook.alerts,
            "transformers": objects_of(outlook.columns),
            "fleet": [row for each in values for row in each.fleet],
        }

    async def transformer(self, request: web.Request) -> web.Response:
        """Answer with what is foreseen for one transformer, and what was, by window."""
        hours = self._hours(request)
        line = key(request.match_info["line"], "line")
        transformer = key(request.match_info["transformer"], "transformer")
        packed = line << 32 | transformer

        async def local(lanes: Collection[int]) -> Part[_One]:
            states = self._states(lanes, hours)
            ahead, past = [], []
            for state in states.values():
                said = foreseen(state.forecaster)
                ahead += one_transformer(said, packed, self._alert)
                past += one_transformer(state.past, packed, self._alert)
            return Part(value=(ahead, past), lanes=list(states), incomplete=[])

        if is_local(request):
            found = Gathered.alone(await local(lanes_asked_for(request)))
        else:
            found = await self._peers.gather(
                request.path,
                {"hours": str(hours)},
                lanes_of(self._worker, line, transformer),
                local=local,
                read=lambda answer: (list(answer["predictions"]), list(answer["past"])),
            )
        return await json_response(
            {
                **envelope(self._worker, found),
                "line": line,
                "transformer": transformer,
                "horizon_hours": hours,
                "alert_probability": self._alert,
                "predictions": [row for ahead, _ in found.values for row in ahead],
                "past": [row for _, past in found.values for row in past],
            }
        )

    async def local(
        self, limit: int, hours: int, lanes: Collection[int]
    ) -> Part[_Forecasts]:
        """Return what is foreseen in those of the lanes that are here."""
        states = self._states(lanes, hours)
        forecasters = {lane: state.forecaster for lane, state in states.items()}
        # What waits is never changed, only dropped: a thread may read it.
        pending: list[tuple[int, Pending]] = []
        week, total = Tally(), Tally()
        for each in forecasters.values():
            week.vector += each.scores.week.vector
            total.vector += each.scores.total.vector
            pending += waiting(each)
        rows = sum(len(each.key) for _, each in pending)
        return Part(
            value=_Forecasts(
                outlook=await apart(rows, look_ahead, pending, self._alert, limit),
                made=sum(each.scores.made for each in forecasters.values()),
                week=week.vector,
                total=total.vector,
                champions={str(n): each.champion for n, each in forecasters.items()},
                fleet=[
                    row
                    for state in states.values()
                    if state.fleet is not None
                    for row in one_transformer(
                        foreseen(state.fleet.forecaster), FLEET_KEY, self._alert
                    )
                ],
            ),
            lanes=list(forecasters),
            incomplete=[],
        )

    def _states(self, lanes: Collection[int], hours: int) -> dict[int, ModelsState]:
        return {
            lane: state
            for lane, first in self._worker.models().items()
            for state in first.all_horizons
            if lane in lanes and state.hours == hours
        }


def _sparse(vector: NDArray[np.float64]) -> dict[str, Any]:
    places = np.flatnonzero(vector)
    return {"places": places, "values": vector[places]}


def _dense(sparse: Mapping[str, Any]) -> NDArray[np.float64]:
    vector = np.zeros(SIZE)
    vector[np.array(sparse["places"], np.int64)] = sparse["values"]
    return vector


def _read(answer: Mapping[str, Any]) -> _Forecasts:
    rows = answer["transformers"]
    return _Forecasts(
        outlook=Outlook(
            columns={
                name: np.array([row[name] for row in rows], dtype)
                for name, dtype in COLUMNS.items()
            },
            transformers=int(answer["transformers_count"]),
            alerts=int(answer["transformers_with_alert_count"]),
        ),
        made=int(answer["predictions_made"]),
        week=_dense(answer["counts"]["week"]),
        total=_dense(answer["counts"]["total"]),
        champions=dict(answer["champions"]),
        fleet=list(answer["fleet"]),
    )
