"""The JSON of alerts, and the way by which a person acknowledges one."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiokafka.errors import KafkaError

from app.domain.alert_rules import Side
from app.domain.alerts import NO_USAGE_POINT, Alert, LaneAlerts, State, parse_name
from app.domain.readings import KEY_MAX
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
from app.views.peers import Gathered, Part, Peers
from app.views.worker import Worker
from app.wire.alerts import Acknowledge, encode_command

__all__ = ["KINDS", "LIMIT_DEFAULT", "LIMIT_MAX", "STATES", "Alerts"]

LIMIT_MAX = 5_000
LIMIT_DEFAULT = 200
STATES = ("all", "open", *State)
KINDS = ("all", *Side)
ONE = r"/api/v1/alerts/{alert:[\w-]{1,60}}"
RANK = {State.RAISED: 0, State.ACKNOWLEDGED: 1, State.CLEARED: 2}
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which alerts are wanted; None stands for all."""

    states: Collection[State]
    kinds: Collection[Side]
    line: int | None
    transformer: int | None
    limit: int

    def concerns(self, alert: Alert) -> bool:
        """Tell whether an alert is one of these, whatever its state."""
        return (
            (self.line is None or alert.line == self.line)
            and (self.transformer is None or alert.transformer == self.transformer)
            and alert.side in self.kinds
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Alerts in the order in which they are shown, and how many there are by state."""

    rows: list[Row]
    counts: Mapping[str, int]


class Alerts:
    """Alerts of all workers, one alert, and its acknowledgement."""

    def __init__(self, worker: Worker, peers: Peers) -> None:
        self._worker = worker
        self._peers = peers

    @property
    def routes(self) -> list[web.RouteDef]:
        """The paths."""
        return [
            web.get("/api/v1/alerts", self.answer),
            web.get(ONE, self.one),
            web.post(f"{ONE}/acknowledge", self.acknowledge),
        ]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with alerts: state, kind, line and transformer narrow them."""
        query = read_query(request.query)
        if is_local(request):
            part = self._local(query, lanes_asked_for(request))
            found = Gathered.alone(part)
        else:

            async def local(lanes: Collection[int]) -> Part[Found]:
                return self._local(query, lanes)

            found = await self._peers.gather(
                "/api/v1/alerts",
                dict(request.query),
                lanes_of(self._worker, query.line, query.transformer),
                local=local,
                read=_read,
            )
        merged = _merge(found.values, query)
        return await json_response(
            {
                **envelope(self._worker, found),
                "counts": merged.counts,
                "matched_alerts": sum(merged.counts[state] for state in query.states),
                "alerts": merged.rows,
            },
            rows=len(merged.rows),
        )

    async def one(self, request: web.Request) -> web.Response:
        """Answer with one alert."""
        body, status = await self._find(request)
        return await json_response(body, status=status)

    async def acknowledge(self, request: web.Request) -> web.Response:
        """Write that a person has seen an alert; 202: its worker will know soon."""
        body, status = await self._find(request)
        if status != web.HTTPOk.status_code:
            return await json_response(body, status=status)
        if body["alert"]["acknowledged_epoch_seconds"] is not None:
            return await json_response(body)
        command = Acknowledge(alert=body["alert"]["alert"], at=int(time.time()))
        (lane,) = body["answered_lanes"]
        try:
            await self._worker.command(lane, encode_command(command))
        except (KafkaError, TimeoutError) as error:
            reason = f"Kafka does not answer: {error!r}"
            return await json_response({"status": 503, "error": reason}, status=503)
        return await json_response(body, status=202)

    async def _find(self, request: web.Request) -> tuple[dict[str, Any], int]:
        """Return an alert, or an error, and the status; its lane's worker is asked."""
        name = request.match_info["alert"]
        try:
            line, transformer, _, _ = parse_name(name)
            if max(line, transformer) > KEY_MAX:
                raise ValueError(name)  # noqa: TRY301 - as unknown as the others
        except ValueError:
            return _error(404, f"no alert is called {name}"), 404

        async def local(lanes: Collection[int]) -> Part[Row | None]:
            states = self._states(lanes)
            known = [state.find(name) for state in states.values()]
            row = next((_row(alert) for alert in known if alert), None)
            return Part(value=row, lanes=list(states), incomplete=[])

        if is_local(request):
            found = Gathered.alone(await local(lanes_asked_for(request)))
        else:
            found = await self._peers.gather(
                f"/api/v1/alerts/{name}",
                {},
                lanes_of(self._worker, line, transformer),
                local=local,
                read=lambda answer: answer["alert"],
            )
        row = next((value for value in found.values if value), None)
        if row is None and not is_local(request):
            if not found.lanes:
                return _error(503, "the worker of its lane does not answer now"), 503
            return _error(404, f"no alert is called {name}, or not any more"), 404
        return {**envelope(self._worker, found), "alert": row}, 200

    def _local(self, query: Query, lanes: Collection[int]) -> Part[Found]:
        """Return the alerts of those of the lanes that are here."""
        states = self._states(lanes)
        mine = [
            alert
            for state in states.values()
            for alert in state
            if query.concerns(alert)
        ]
        counts = dict.fromkeys(map(str, State), 0)
        for alert in mine:
            counts[alert.state] += 1
        rows: list[Row] = [_row(alert) for alert in mine if alert.state in query.states]
        rows.sort(key=_order)
        return Part(
            value=Found(rows=rows[: query.limit], counts=counts),
            lanes=list(states),
            incomplete=[],
        )

    def _states(self, lanes: Collection[int]) -> dict[int, LaneAlerts]:
        return {n: each for n, each in self._worker.alerts().items() if n in lanes}


def read_query(wanted: Mapping[str, str]) -> Query:
    """Return the alerts that a query string asks for.

    Raises:
        HTTPBadRequest: A parameter is not understood; names it.
    """
    state = one_of(wanted, "state", STATES)
    kind = one_of(wanted, "kind", KINDS)
    line, transformer = (
        key(wanted[name], name) if wanted.get(name) else None
        for name in ("line", "transformer")
    )
    groups = {"all": tuple(State), "open": (State.RAISED, State.ACKNOWLEDGED)}
    return Query(
        states=groups[state] if state in groups else (State(state),),
        kinds=tuple(Side) if kind == "all" else (Side(kind),),
        line=line,
        transformer=transformer,
        limit=number(wanted.get("limit", str(LIMIT_DEFAULT)), "limit", 1, LIMIT_MAX),
    )


def _merge(parts: Collection[Found], query: Query) -> Found:
    counts = {str(s): sum(part.counts[s] for part in parts) for s in State}
    rows = sorted((row for part in parts for row in part.rows), key=_order)
    return Found(rows=rows[: query.limit], counts=counts)


def _read(answer: Mapping[str, Any]) -> Found:
    rows = list(answer["alerts"])
    for row in rows:
        _order(row)  # it has what this build needs
    return Found(
        rows=rows, counts={s: int(answer["counts"][s]) for s in map(str, State)}
    )


def _order(row: Row) -> tuple[int, int, str]:
    """Return what sorts alerts: what needs a person first, then the newest."""
    cleared = row["cleared_epoch_seconds"]
    moment = row["raised_epoch_seconds"] if cleared is None else cleared
    return RANK[State(row["state"])], -moment, row["alert"]


def _row(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "line": alert.line,
        "transformer": alert.transformer,
        "kind": alert.side,
        "state": alert.state,
        "usage_point": _meter(alert.usagepoint),
        "window_start_epoch_seconds": alert.epoch,
        "raised_epoch_seconds": alert.raised,
        "acknowledged_epoch_seconds": alert.acknowledged,
        "cleared_epoch_seconds": alert.cleared,
        "voltage_volts": alert.voltage,
        "mean_volts": alert.mean,
        "limit_volts": alert.limit,
        "readings_count": alert.count,
        "readings_over_threshold": alert.over,
        "verdict": alert.verdict,
        "peak_volts": alert.peak,
        "peak_usage_point": _meter(alert.peak_usagepoint),
        "peak_window_start_epoch_seconds": alert.peak_epoch,
        "windows_count": alert.windows,
    }


def _meter(usagepoint: int) -> int | None:
    return None if usagepoint == NO_USAGE_POINT else usagepoint


def _error(status: int, reason: str) -> dict[str, Any]:
    return {"status": status, "error": reason}
