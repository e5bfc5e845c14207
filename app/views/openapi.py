"""The API, described for programs: OpenAPI 3.1 at /api/v1/openapi.json."""

from importlib.metadata import version
from typing import Any

from aiohttp import web

from app.views import alert_schemas, alerts, model_schemas, schemas
from app.views.answers import json_response
from app.views.api import FORMATS, LIMIT_DEFAULT, LIMIT_MAX, STATES
from app.views.ranking import RANKINGS
from app.views.schemas import INTEGER, KEY, STRING, Schema
from app.views.selection import SORT_COLUMNS

__all__ = ["document", "routes"]

STREAM = (
    "With `Accept: text/event-stream` a page is a stream: `answer` events hold it"
    " whenever it has changed, `same` says that it has not, `trouble` why it cannot be"
    " answered now."
)
PAIR = [
    {"name": name, "in": "path", "required": True, "schema": INTEGER} for name in KEY
]
ONE = "/api/v1/transformers/{line}/{transformer}"


def _query(name: str, schema: Schema, text: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def _whole(low: int, high: int, usual: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high, "default": usual}


def _page(
    summary: str, schema: Schema, parameters: list[Schema], **codes: str
) -> dict[str, Any]:
    """Return what a path answers; codes are others that carry the same fields."""
    content = {"application/json": {"schema": schema}}
    texts = {"c200": "The answer.", **codes}
    responses: dict[str, Any] = {
        code.removeprefix("c"): {"description": text, "content": content}
        for code, text in texts.items()
    }
    for code in ("400", "401"):
        responses[code] = {"$ref": f"#/components/responses/{code}"}
    return {
        "get": {"summary": summary, "parameters": parameters, "responses": responses}
    }


def document() -> dict[str, Any]:
    """Return the description of every JSON page."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "smart-meter, the view of a live worker",
            "version": version("smartmeter-streams"),
            "description": f"Any worker answers for the whole cluster. {STREAM}",
        },
        "security": [{"token": []}, {}],
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {
                code: {
                    "description": text,
                    "content": {"application/json": {"schema": schemas.ERROR}},
                }
                for code, text in (
                    ("400", "A parameter is not understood; `error` names it."),
                    ("401", "A token is needed."),
                )
            },
        },
        "paths": _paths(),
    }


SORTS = [f"{sign}{name}" for name in SORT_COLUMNS for sign in ("", "-")]
ALERT = "/api/v1/alerts/{alert}"
ALERT_NAME = [
    {
        "name": "alert",
        "in": "path",
        "required": True,
        "schema": STRING,
        "description": "<line>-<transformer>-<high|low>-<epoch>.",
    }
]
UNKNOWN = "No alert is called so, or not any more."
AWAY = "Its worker does not answer now; `missing` names the lane."


HOURS = _query("hours", {"enum": [12]}, "One of the horizons that are set.")
KEYS = [
    _query("line", INTEGER, "Only this line."),
    _query("transformer", INTEGER, "Only transformers of this number."),
]


def _paths() -> dict[str, Any]:
    return {**_of_windows(), **_of_alerts(), **_of_forecasts(), **_of_the_road()}


def _of_windows() -> dict[str, Any]:
    return {
        "/api/v1/overview": _page(
            "Totals, lanes and workers of the cluster", schemas.OVERVIEW, []
        ),
        "/api/v1/windows": _page(
            "Open and recently closed windows",
            schemas.WINDOWS,
            [
                _query("state", {"enum": [*STATES]}, "Open or closed ones only."),
                *KEYS,
                _query("sort", {"enum": SORTS}, "A column; - for the largest first."),
                _query("limit", _whole(1, LIMIT_MAX, LIMIT_DEFAULT), "Most windows."),
                _query("format", {"enum": [*FORMATS]}, "Rows, columns, or CSV."),
            ],
        ),
        ONE: _page(
            "One transformer's windows, newest first",
            schemas.TRANSFORMER,
            PAIR,
            c404="Nothing is known of it.",
            c503=AWAY,
        ),
        f"{ONE}/predictions": _page(
            "What is foreseen for one transformer, and what was",
            schemas.PREDICTIONS_OF_ONE,
            [*PAIR, HOURS],
        ),
        "/api/v1/top": _page(
            "The transformers that stand out most",
            schemas.TOP,
            [
                _query("by", {"enum": [*RANKINGS]}, "In what they stand out."),
                _query("windows", _whole(1, 96, 8), "Over how many last windows."),
                _query("limit", _whole(1, 1_000, 20), "Most transformers."),
            ],
        ),
    }


def _of_alerts() -> dict[str, Any]:
    return {
        "/api/v1/alerts": _page(
            "Alerts: open ones first, then those that were cleared last",
            alert_schemas.ALERTS,
            [
                _query("state", {"enum": [*alerts.STATES]}, "Where they stand."),
                _query("kind", {"enum": [*alerts.KINDS]}, "Over or under."),
                *KEYS,
                _query(
                    "limit",
                    _whole(1, alerts.LIMIT_MAX, alerts.LIMIT_DEFAULT),
                    "Most alerts.",
                ),
            ],
        ),
        ALERT: _one_alert(),
        f"{ALERT}/acknowledge": _acknowledge(),
    }


def _of_forecasts() -> dict[str, Any]:
    return {
        "/api/v1/predictions": _page(
            "The likeliest to pass the threshold, and scores beside baselines",
            schemas.PREDICTIONS,
            [_query("limit", _whole(1, 1_000, 50), "Most transformers."), HOURS],
        ),
        "/api/v1/models": _page(
            "Models of all lanes, and the versions that are kept",
            model_schemas.MODELS,
            [],
        ),
        "/api/v1/models/{name}/rollback": _roll_back(),
    }


def _of_the_road() -> dict[str, Any]:
    return {
        "/api/v1/pipeline": _page(
            "Topics with their rate and age, readers with their lag",
            schemas.PIPELINE,
            [],
        ),
        "/api/v1/messages": _page(
            "What goes out on NATS: rates by subject, and the last messages",
            schemas.MESSAGES,
            [
                _query("subject", STRING, "A word of it, or tokens with * and >."),
                _query("limit", _whole(1, 500, 100), "Most messages."),
            ],
        ),
    }


def _one_alert() -> dict[str, Any]:
    described = _page("One alert", alert_schemas.ONE_ALERT, ALERT_NAME)
    return _with_errors(described, {"404": UNKNOWN, "503": AWAY})


def _acknowledge() -> dict[str, Any]:
    described = _page(
        "Acknowledge an alert; needs the operator's token",
        alert_schemas.ONE_ALERT,
        ALERT_NAME,
        c200="It was acknowledged already; nothing has changed.",
        c202="Written; the alert as it was until now.",
    )
    denied = "The operator's token is needed."
    _with_errors(described, {"403": denied, "404": UNKNOWN, "503": AWAY})
    return {"post": described["get"]}


def _with_errors(described: dict[str, Any], texts: dict[str, str]) -> dict[str, Any]:
    content = {"application/json": {"schema": schemas.ERROR}}
    for code, text in texts.items():
        response = {"description": text, "content": content}
        described["get"]["responses"][code] = response
    return described


def _roll_back() -> dict[str, Any]:
    name = {"name": "name", "in": "path", "required": True, "schema": STRING}
    described = _page(
        "Go back to a version of models; needs the operator's token",
        model_schemas.RETURN,
        [{**name, "description": "lane-<number>, or fleet."}],
    )["get"]
    responses = described["responses"]
    responses["202"] = {
        **responses.pop("200"),
        "description": "Written; their worker obeys with its next record.",
    }
    errors = {
        "403": "The operator's token is needed.",
        "404": "No such models, or no such version of them.",
        "409": "The version does not match what is foreseen now; `error` says in what.",
        "503": "Cassandra or Kafka does not answer.",
    }
    for code, text in errors.items():
        content = {"application/json": {"schema": schemas.ERROR}}
        responses[code] = {"description": text, "content": content}
    body = schemas.fields(version=INTEGER)
    content = {"application/json": {"schema": body}}
    return {"post": {**described, "requestBody": {"content": content}}}


async def _answer(_: web.Request) -> web.Response:
    return await json_response(document())


routes = [web.get("/api/v1/openapi.json", _answer)]
