"""`smartmeter alerts`."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import click
import orjson

from app import settings
from app.cli.tables import show
from app.errors import SmartMeterError
from app.settings import Settings, variable
from app.tls import distrust, pages_trust

__all__ = ["AlertsTrouble", "command"]

ANSWER_SECONDS_MAX = 30.0
COLUMNS = {
    "alert": "Alert",
    "state": "State",
    "peak_volts": "Peak, V",
    "peak_usage_point": "Meter",
    "windows_count": "Windows",
    "window_start_epoch_seconds": "Since (UTC)",
    "cleared_epoch_seconds": "Until (UTC)",
    "acknowledged_epoch_seconds": "Acknowledged (UTC)",
}


class AlertsTrouble(SmartMeterError):
    """No worker answers, or it refuses what was asked of it."""


WORKER = click.option(
    "--worker",
    metavar="URL",
    help="Web view of any live worker.  [default: by the settings]",
)


@click.group()
def command() -> None:
    r"""List alerts, and acknowledge them: any worker answers for all.

    \b
    Example:
      smartmeter alerts list --state raised
      smartmeter alerts acknowledge 11-3-high-1479537000
    """


@command.command("list")
@click.option(
    "--state",
    type=click.Choice(["all", "open", "raised", "acknowledged", "cleared"]),
    default="open",
    show_default=True,
    help="Where they stand.",
)
@click.option("--line", type=click.IntRange(1), help="Only this line.")
@click.option("--transformer", type=click.IntRange(1), help="Only of this number.")
@click.option("--limit", type=click.IntRange(1, 5_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@WORKER
def list_command(*, as_json: bool, worker: str | None, **wanted: Any) -> None:
    r"""List alerts: what needs a person first, then the newest.

    \b
    Example:
      smartmeter alerts list --state all --line 11 --json | jq -r .alert
    """
    params = {name: str(value) for name, value in wanted.items() if value is not None}
    answer = _ask("GET", "/api/v1/alerts", worker, params)
    rows = answer["alerts"]
    if as_json:
        for row in rows:
            click.echo(orjson.dumps(row))
    else:
        title = f"{len(rows)} of {answer['matched_alerts']} alerts"
        show(
            [*COLUMNS.values()],
            ([_cell(row, n) for n in COLUMNS] for row in rows),
            title,
        )
    for silent in answer["missing"]["workers"]:
        click.echo(f"incomplete: {silent['url']} {silent['reason']}", err=True)


@command.command("acknowledge")
@click.argument("alerts", nargs=-1, required=True, metavar="ALERT...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@WORKER
def acknowledge_command(
    *, alerts: tuple[str, ...], as_json: bool, worker: str | None
) -> None:
    r"""Say that somebody has seen alerts; needs the operator's token.

    \b
    Example:
      smartmeter alerts list --json | jq -r .alert | xargs smartmeter alerts acknowledge
    """
    for alert in alerts:
        answer = _ask("POST", f"/api/v1/alerts/{alert}/acknowledge", worker, {})
        if as_json:
            click.echo(orjson.dumps(answer["alert"]))
        else:
            click.echo(f"{alert}: acknowledged")


def _cell(row: dict[str, Any], name: str) -> Any:
    value = row[name]
    if value is None or not name.endswith("_epoch_seconds"):
        return value
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M")


def _ask(method: str, path: str, worker: str | None, params: dict[str, str]) -> Any:
    loaded = settings.load()
    web = loaded.web
    url = worker or f"{web.scheme}://{loaded.worker.host}:{loaded.worker.port}"
    if web.is_encrypted and not url.startswith("https:"):
        raise AlertsTrouble(
            f"{url} does not encrypt, and {variable('web', 'tls')} or …__CA asks for it"
        )
    return asyncio.run(_request(loaded, method, url.rstrip("/"), path, params))


async def _request(
    loaded: Settings, method: str, url: str, path: str, params: dict[str, str]
) -> Any:
    operator = loaded.worker.operator_token.get_secret_value()
    token = operator or loaded.worker.read_token.get_secret_value()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
    connector = aiohttp.TCPConnector(ssl=pages_trust(loaded.web))
    try:
        async with (
            aiohttp.ClientSession(
                timeout=timeout, headers=headers, connector=connector
            ) as session,
            session.request(
                method,
                url + path,
                params=params,
                server_hostname=loaded.web.server_name or None,
            ) as response,
        ):
            answer = json.loads(await response.read())
            status = response.status
    except aiohttp.ClientConnectorCertificateError as error:
        raise AlertsTrouble(f"{url} {distrust(error)}") from None
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        said = str(error) or type(error).__name__
        raise AlertsTrouble(
            f"no worker answers at {url} ({said}): is one up, and is --worker right?"
        ) from None
    if status in (401, 403):
        name = variable(
            "worker", "operator_token" if method == "POST" else "read_token"
        )
        raise AlertsTrouble(f"{url} refuses: {answer['error']} Give it as {name}.")
    if status >= 400:
        raise AlertsTrouble(f"{url}: {answer['error']}")
    return answer
