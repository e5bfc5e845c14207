"""`smartmeter doctor`, also known as `smartmeter check`."""

import asyncio
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click
import orjson

from app import settings
from app.cli import nearby
from app.cli.failures import failure
from app.cli.hops import Hop, Road
from app.errors import HopFailed
from app.topology import Topology

__all__ = ["command", "examine"]

NAMES = [
    "meter", "nats", "bridge", "kafka", "live", "archive", "cassandra", "clocks",
    "prometheus",
]  # fmt: skip
ANSWER_SECONDS_MAX = 20.0

Finding = dict[str, Any]
"""hop, ok (None: not looked at), text, seconds."""


@click.command()
@click.option(
    "--skip",
    multiple=True,
    type=click.Choice(NAMES),
    help="Do not look at this hop; may be given several times.",
)
@click.option(
    "--silent",
    "silent_seconds",
    type=click.FloatRange(1, 31_536_000),
    default=120.0,
    show_default=True,
    help="Meters that publish nothing for so many seconds are a failure.",
)
@click.option(
    "--prometheus",
    metavar="URL",
    default="",
    help="Ask this Prometheus whether it hears every process, and what fires.",
)
@nearby.option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a hop.")
def command(
    *,
    skip: Collection[str],
    silent_seconds: float,
    prometheus: str,
    folder: Path,
    as_json: bool,
) -> None:
    r"""Go along the road of a reading, and name the first hop that fails.

    Meters, NATS, bridges, Kafka, live workers, archive workers, Cassandra, the clocks
    of the servers, Prometheus. Nothing is published or changed. Stages are looked at
    twice, some seconds apart: a lane whose work waits and does not move is a failure, a
    backlog that shrinks is none. Exit code 1 if a hop fails, with one line on standard
    error that says which, and what to do. A run on this machine (`make run`) is asked
    whether it starts again what is away.

    \b
    Example:
      smartmeter doctor
      smartmeter doctor --skip archive --skip cassandra --silent 3600
      smartmeter doctor --prometheus http://127.0.0.1:9090
    """
    road = Road(
        Topology(settings.load()),
        silent_seconds=silent_seconds,
        prometheus=prometheus,
        folder=folder,
    )
    findings = asyncio.run(examine([h for h in road.hops() if h.name not in skip]))
    for finding in findings:
        if as_json:
            click.echo(orjson.dumps(finding))
        else:
            mark = {True: "ok", False: "FAILS", None: "?"}[finding["ok"]]
            click.echo(f"{finding['hop']:<10} {mark:<6} {finding['text']}")
    failed = [finding for finding in findings if finding["ok"] is False]
    if failed:
        raise HopFailed(f"{failed[0]['hop']}: {failed[0]['text']}")


async def examine(hops: Collection[Hop]) -> list[Finding]:
    """Look at all hops at once; what stands on a hop that failed says so."""
    findings = await asyncio.gather(*map(_look, hops))
    failed = {finding["hop"] for finding in findings if not finding["ok"]}
    for hop, finding in zip(hops, findings, strict=True):
        if hop.name in failed and (cause := failed & hop.needs):
            finding |= {"ok": None, "text": f"not known: {min(cause)} fails"}
    return findings


async def _look(hop: Hop) -> Finding:
    began = time.monotonic()
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            ok, text = True, await hop.look()
    except TimeoutError:
        ok, text = False, f"no answer in {ANSWER_SECONDS_MAX:.0f} s"
    except Exception as error:
        told = failure(error)
        if told is None:
            raise
        ok, text = False, told.line
    seconds = round(time.monotonic() - began, 3)
    return {"hop": hop.name, "ok": ok, "text": text, "seconds": seconds}
