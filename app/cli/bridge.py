"""`smartmeter bridge`."""

import re

import click

from app import settings as _settings

__all__ = ["Lanes", "command"]

PART = re.compile(r"(\d+)(?:-(\d+))?")


class Lanes(click.ParamType):
    """Lanes by number, `0-3,6`, as a set."""

    name = "lanes"

    def convert(
        self,
        value: str | frozenset[int],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> frozenset[int]:
        """Return the lanes that a text names.

        >>> sorted(Lanes().convert("0-2,6", None, None))
        [0, 1, 2, 6]
        """
        if isinstance(value, frozenset):
            return value
        lanes: set[int] = set()
        for part in value.split(","):
            match = PART.fullmatch(part.strip())
            if not match:
                self.fail(
                    f"{part!r} is neither a lane nor a range like 0-3", param, ctx
                )
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first:
                self.fail(f"{part!r} ends before it begins", param, ctx)
            lanes.update(range(first, last + 1))
        return frozenset(lanes)


@click.command(short_help="Run the bridge between NATS and Kafka.")
@click.option(
    "--lanes",
    type=Lanes(),
    default=None,
    help="Carry only these lanes, for example 0-3,6; without it, a fair share of all.",
)
def command(lanes: frozenset[int] | None) -> None:
    r"""Run a bridge: readings and weather into Kafka, results back to NATS.

    Several bridges share the lanes evenly, and take over what one of them leaves or
    loses. SIGTERM carries to its end what was taken, and ends within 10 s; SIGKILL
    loses nothing either.

    \b
    Example:
      SMARTMETER_NATS__SERVERS=nats://meters:4222 smartmeter bridge
      smartmeter bridge --lanes 0-3
    """
    from bridge import service

    settings = _settings.load()
    beyond = sorted(lane for lane in lanes or () if lane >= settings.kafka.lanes)
    if beyond:
        raise click.BadParameter(
            f"there are lanes 0 to {settings.kafka.lanes - 1}, not {beyond[0]}"
            " (SMARTMETER_KAFKA__LANES)",
            param_hint="--lanes",
        )
    service.run(settings, lanes)
