"""`smartmeter models`."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import click
import orjson

from app import settings as _settings
from app.topology import Topology

__all__ = ["command"]

LIMIT_DEFAULT = 5

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Number(click.ParamType):
    """A version's number, or the time it stands for."""

    name = "version"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the number.

        >>> Number().convert("2026-11-24", None, None)
        1795478400
        """
        text = str(value)
        if text.isdecimal():
            return int(text)
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is no number and no time", param, ctx)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


@click.group()
def command() -> None:
    r"""List, show and compare versions of the models, or go back to one.

    Each lane's models, and the fleet's, are kept once a day of data.

    \b
    Example:
      smartmeter models list
      smartmeter models compare lane-3 2026-11-20 2026-11-21
      smartmeter models rollback lane-3 2026-11-20
    """


@command.command("list")
@click.option("--name", help="Only these models: lane-3, or fleet.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=LIMIT_DEFAULT,
    show_default=True,
    help="Most versions of each, newest first.",
)
@json_option
def list_versions(name: str | None, limit: int, as_json: bool) -> None:
    r"""List the versions that are kept, newest first.

    \b
    Example:
      smartmeter models list --name fleet --limit 20
    """
    from app.cli.model_versions import COLUMNS, as_object, lane_of_name, names_of, row
    from app.cli.tables import show
    from app.sinks.versions import Versions

    topology = Topology(_settings.load())
    if name:
        lane_of_name(topology, name)
    names = [name] if name else names_of(topology)
    with Versions(topology.settings.archive, topology.keyspace) as versions:
        found = versions.newest(names, limit)
    if as_json:
        click.echo(orjson.dumps([as_object(version) for version in found]))
        return
    show(COLUMNS, map(row, found), "")
    click.echo(f"({len(found)} versions; scores are of the seven days before each)")


@command.command("show")
@click.argument("name")
@click.argument("version", type=Number())
@json_option
def show_version(name: str, version: int, as_json: bool) -> None:
    r"""Show a version: what it was learnt from, its scores, what weighs most in it.

    \b
    Example:
      smartmeter models show lane-3 2026-11-20
    """
    from app.cli.model_versions import cell, facts, heaviest, read, verdict

    topology = Topology(_settings.load())
    stored, state = read(topology, name, version)
    told = {**facts(stored, state), "usable now": verdict(topology, name, state)}
    weights = heaviest(state)
    if as_json:
        click.echo(orjson.dumps({**told, "heaviest_weights_volts": dict(weights)}))
        return
    for label, value in told.items():
        click.echo(f"{label:<24} {cell(value)}")
    click.echo("\nheaviest weights of the regression, volts")
    for feature, weight in weights:
        click.echo(f"  {feature:<24} {weight:+.3f}")


@command.command()
@click.argument("name")
@click.argument("one", type=Number())
@click.argument("other", type=Number())
@json_option
def compare(name: str, one: int, other: int, as_json: bool) -> None:
    r"""Compare two versions: scores side by side, and the weights that moved most.

    \b
    Example:
      smartmeter models compare fleet 2026-11-20 2026-11-24
    """
    from app.cli.model_versions import cell, facts, moved, read
    from app.cli.tables import show

    topology = Topology(_settings.load())
    pairs = [read(topology, name, number) for number in (one, other)]
    told = [facts(*pair) for pair in pairs]
    moves = moved(pairs[0][1], pairs[1][1])
    if as_json:
        click.echo(orjson.dumps({"versions": told, "moved_volts": dict(moves)}))
        return
    rows = [(label, *(cell(each[label]) for each in told)) for label in told[0]]
    show(("", str(one), str(other)), rows, "")
    click.echo("weights of the regression that moved most, volts")
    for feature, volts in moves:
        click.echo(f"  {feature:<24} {volts:+.3f}")


@command.command()
@click.argument("name")
@click.argument("version", type=Number())
@click.option("--yes", is_flag=True, help="Do not ask.")
def rollback(name: str, version: int, yes: bool) -> None:
    r"""Let models go back to a version, and wait until they have.

    What they remember of the last windows, what waits for its label, and the scores
    stay; what labels have taught since is forgotten. The worker that has the lane obeys
    once, whatever happens to it.

    \b
    Example:
      smartmeter models rollback lane-3 2026-11-20
    """
    from app.cli.model_versions import (
        WAIT_SECONDS_MAX,
        lane_of_name,
        moment,
        order,
        read,
        rules_for,
    )
    from app.predictor import versions
    from app.wire.models import RollBack, encode_roll_back

    topology = Topology(_settings.load())
    lane = lane_of_name(topology, name)
    stored, state = read(topology, name, version)
    versions.check(state, rules_for(topology, name))
    value = encode_roll_back(
        RollBack(
            name=name,
            version=stored.number,
            at=int(time.time()),
            state=orjson.dumps(state).decode(),
        )
    )
    if not yes:
        since = moment(stored.number)
        click.confirm(f"Forget what {name} has learnt since {since}?", abort=True)
    obeyed = asyncio.run(order(topology, lane, value))
    if obeyed:
        click.echo(
            f"{name} is version {stored.number} again, unless its log says why not."
        )
    else:
        click.echo(
            f"The command is written; nobody has read it within {WAIT_SECONDS_MAX:.0f}"
            " s: one will when it has the lane."
        )
