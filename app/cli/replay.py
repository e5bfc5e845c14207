"""`smartmeter replay`."""

import asyncio
import re
import time
from datetime import UTC, datetime
from typing import Any

import click
import orjson

from app import settings
from app.errors import RejectedMessage, SmartMeterError
from app.settings import Settings
from app.topology import Topology

__all__ = ["Since", "command"]

BEGINNING = "beginning"
AGO = re.compile(r"(\d+)([smhd])")
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class ReplayRefused(SmartMeterError):
    """The log must not be read again now; the message says why."""


class Since(click.ParamType):
    """A time: `beginning`, RFC 3339 or epoch seconds, or so long ago, `6h`."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return epoch seconds; minus infinity for the beginning.

        >>> Since().convert("2016-11-19T06:44:18Z", None, None)
        1479537858.0
        """
        from app.wire.limits import parse_time

        text = str(value).strip()
        if isinstance(value, float):
            return value
        if text == BEGINNING:
            return float("-inf")
        if ago := AGO.fullmatch(text):
            return time.time() - int(ago[1]) * UNIT_SECONDS[ago[2]]
        try:
            return float(parse_time(int(text) if text.isdecimal() else text))
        except RejectedMessage:
            self.fail(
                f"{text!r} is none of: beginning, 2026-11-24T06:00:00Z, 1479537858, 6h",
                param,
                ctx,
            )


@click.command()
@click.option(
    "--from",
    "since",
    type=Since(),
    required=True,
    help="By when Kafka was given it: beginning, 2026-11-24T06:00:00Z, or 6h for so"
    " long ago.",
)
@click.option(
    "--group",
    type=click.Choice(["archive", "results"]),
    help="Let this stage read again from there; none of its processes may run.",
)
@click.option(
    "--into",
    metavar="NAMESPACE",
    help="Copy readings and weather there; its workers compute everything anew.",
)
@click.option(
    "--lanes",
    type=click.IntRange(1, 256),
    help="Lanes of that namespace.  [default: as many as here]",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    *,
    since: float,
    group: str | None,
    into: str | None,
    lanes: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    r"""Read the log again from a time on.

    --group archive stores all of it in Cassandra again, as after a backup was restored:
    every write is an upsert. --group results publishes maxima, temperatures and
    predictions to NATS again.

    --into computes windows, maxima and forecasts anew, beside what there is: with other
    windows, another build, or more lanes. The windows of a namespace are final once,
    and their state knows what it has read, so that it is never replayed in place.
    Choose a time at which no window was open, or `beginning`: a window whose first
    readings lie before it is incomplete.

    \b
    Example:
      smartmeter replay --from 2026-11-24T06:00:00Z --group archive
      smartmeter replay --from beginning --into meters2 --lanes 16
      SMARTMETER_NAMESPACE=meters2 SMARTMETER_KAFKA__LANES=16 smartmeter worker
    """
    if (group is None) == (into is None):
        raise click.UsageError("say either --group or --into")
    if lanes and not into:
        raise click.UsageError("--lanes belongs to --into")
    values = settings.load()
    begin = None if since == float("-inf") else since
    if group:
        done = asyncio.run(_reset(Topology(values), group, begin, dry_run))
    else:
        target = _settings_of(values, str(into), lanes or values.kafka.lanes)
        done = _copy(values, target, begin, dry_run)
    if as_json:
        click.echo(orjson.dumps(done))
        return
    for name, value in done.items():
        click.echo(f"{name:<10} {value}")


def _settings_of(values: Settings, namespace: str, lanes: int) -> Settings:
    if namespace == values.namespace:
        raise click.UsageError("--into names another namespace, which is still empty")
    try:
        Settings(namespace=namespace)
    except ValueError:
        raise click.UsageError(
            f"--into {namespace!r}: a namespace is a small letter, then small letters,"
            " digits and _, 40 at most"
        ) from None
    kafka = values.kafka.model_copy(update={"lanes": lanes})
    return values.model_copy(update={"namespace": namespace, "kafka": kafka})


def _time(begin: float | None) -> str:
    if begin is None:
        return BEGINNING
    return datetime.fromtimestamp(begin, UTC).isoformat(timespec="seconds")


def _copy(
    values: Settings, target: Settings, begin: float | None, dry_run: bool
) -> dict[str, Any]:
    from app.cli.copying import copy_log
    from app.cli.tables import progress_bar

    done: dict[str, Any] = {
        "from": _time(begin),
        "namespace": target.namespace,
        "lanes": target.kafka.lanes,
    }
    if dry_run:
        return done
    with progress_bar("Copying") as progress:
        copied = asyncio.run(copy_log(Topology(values), target, begin, progress))
    return {
        **done,
        "frames": copied.frames,
        "written": copied.written,
        "weather": copied.weather,
    }


async def _reset(
    topology: Topology, stage: str, begin: float | None, dry_run: bool
) -> dict[str, Any]:
    """Set what a stage has committed back to a time."""
    from aiokafka import AIOKafkaConsumer
    from aiokafka.structs import TopicPartition

    from app import connections
    from app.cli.copying import offsets_from
    from app.cli.group import Groups

    group = topology.archive_group if stage == "archive" else topology.results_group
    async with Groups(topology) as groups:
        committed = await groups.committed(group)
        running = len(await groups.members(group))
    command = "archive" if stage == "archive" else "bridge"
    if running and not dry_run:
        raise ReplayRefused(
            f"{running} processes of {group} run: stop them (`smartmeter {command}`),"
            " replay, and start them again; one that was just stopped still counts for"
            f" {topology.settings.kafka.session_timeout_seconds:.0f} s"
        )
    if not committed:
        raise ReplayRefused(f"{group} has read nothing yet: it begins at the beginning")
    consumer: Any = AIOKafkaConsumer(
        **connections.kafka_options(topology.settings),
        group_id=group,
        enable_auto_commit=False,
    )
    try:
        await consumer.start()
        places = [TopicPartition(*place) for place in sorted(committed)]
        found = await offsets_from(consumer, places, begin)
        # Never on: what lies between would be passed over.
        offsets = {p: min(at, committed[tuple(p)]) for p, at in found.items()}
        if not dry_run:
            consumer.assign(places)
            await consumer.commit(offsets)
    finally:
        await consumer.stop()
    records = sum(committed[tuple(p)] - offset for p, offset in offsets.items())
    return {"from": _time(begin), "group": group, "records": records}
