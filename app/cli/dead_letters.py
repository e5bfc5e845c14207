"""`smartmeter dead-letters`: list, show, replay."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import orjson

from app import settings
from app.errors import Reason
from app.topology import Topology

if TYPE_CHECKING:
    from app.wire.events import DeadLetter
    from bridge.dead_letters import Found, Wanted

__all__ = ["command"]

LISTED = 20
REPLAYED_MAX = 10_000

of_reason = click.option(
    "--reason",
    "reasons",
    multiple=True,
    type=click.Choice([reason.value for reason in Reason]),
    help="Only letters of this reason; may be given several times.",
)
on_subject = click.option(
    "--subject", default="", help="Only letters whose subject holds this text."
)


@click.group(short_help="List, show and replay messages that could not be used.")
def command() -> None:
    r"""List, show and replay messages that could not be used.

    A letter's name is <stream>/<stream sequence>/<digest>; the first part of the
    sequence and digest, `1234` or `1234/9f`, is enough where one letter has it.

    \b
    Example:
      smartmeter dead-letters list --reason future
      smartmeter dead-letters show 1234
      smartmeter dead-letters replay 1234
    """


@command.command(name="list")
@of_reason
@on_subject
@click.option(
    "--most",
    type=click.IntRange(1, 100_000),
    default=LISTED,
    show_default=True,
    help="The newest so many.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a letter.")
def list_letters(
    reasons: Sequence[str], subject: str, most: int, as_json: bool
) -> None:
    r"""List the newest letters, and count all of them by reason.

    \b
    Example:
      smartmeter dead-letters list
      smartmeter dead-letters list --subject .11.2. --most 1000 --json
    """
    from app.cli import tables

    topology = Topology(settings.load())
    found = _found(topology, _filter(topology, reasons, subject), most)
    if as_json:
        for identity, letter in found.letters.items():
            click.echo(orjson.dumps(_fields(topology, identity, letter, found)))
        return
    rows = [
        (
            _short(identity),
            _time(letter.arrival),
            letter.reason.value,
            topology.published_subject(letter.subject),
            letter.detail,
            _time(found.replayed.get(identity)),
        )
        for identity, letter in found.letters.items()
    ]
    names = ("name", "arrived", "reason", "subject", "what is wrong", "replayed")
    tables.show(names, rows, f"the newest {len(rows)} of {found.reasons.total()}")
    counts = found.reasons.most_common()
    tables.show(("reason", "letters"), counts, "all, by reason")
    if found.unreadable:
        click.echo(f"{found.unreadable} records are no dead letters of this build")


@command.command()
@click.argument("name")
def show(name: str) -> None:
    r"""Show a letter with all its coordinates and its payload.

    \b
    Example:
      smartmeter dead-letters show 1234
    """
    topology = Topology(settings.load())
    found = _named(topology, [name])
    for identity, letter in found.letters.items():
        for key, value in _fields(topology, identity, letter, found).items():
            if key != "payload":
                click.echo(f"{key:<11} {value}")
        click.echo(f"{'payload':<11} {len(letter.payload)} bytes")
        click.echo(_dump(letter.payload))


@command.command()
@click.argument("names", nargs=-1)
@of_reason
@on_subject
@click.option("--all", "everything", is_flag=True, help="All letters.")
@click.option(
    "--payload",
    type=click.File("rb"),
    help="Send what this file holds instead of the original (- is standard input).",
)
@click.option("--again", is_flag=True, help="Also letters that were replayed before.")
@click.option(
    "--most",
    type=click.IntRange(1, REPLAYED_MAX),
    default=1_000,
    show_default=True,
    help="Send no more than the newest so many.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be sent.")
def replay(
    *,
    names: Sequence[str],
    reasons: Sequence[str],
    subject: str,
    everything: bool,
    payload: Any,
    again: bool,
    most: int,
    dry_run: bool,
) -> None:
    r"""Send letters to NATS again, on the subject they came on, and mark them.

    The bridge judges them anew: a letter that is still of no use becomes another one.

    \b
    Example:
      smartmeter dead-letters replay --reason future
      smartmeter dead-letters replay 1234 --payload corrected.json
    """
    topology = Topology(settings.load())
    if not (names or reasons or subject or everything):
        raise click.UsageError("name letters, or say --reason, --subject or --all")
    if payload and len(names) != 1:
        raise click.UsageError("--payload corrects one letter: give its name")
    if names:
        found = _named(topology, names)
    else:
        found = _found(topology, _replayable(topology, reasons, subject), most)
    chosen = [
        letter
        for identity, letter in found.letters.items()
        if again or identity not in found.replayed
    ]
    if not dry_run:
        asyncio.run(_replay(topology, chosen, payload.read() if payload else None))
    else:
        for letter in chosen:
            click.echo(f"{letter.identity} to {_published(topology, letter)}")
    skipped = len(found.letters) - len(chosen)
    word = "would be sent" if dry_run else "sent"
    click.echo(f"{len(chosen)} {word}, {skipped} replayed before (--again sends them)")


async def _replay(
    topology: Topology, letters: "list[DeadLetter]", payload: bytes | None
) -> None:
    from bridge import dead_letters

    async for letter, sequence in dead_letters.replay(
        topology, letters, payload=payload
    ):
        place = f"{_published(topology, letter)}, sequence {sequence}"
        click.echo(f"{letter.identity} to {place}")


def _found(topology: Topology, wanted: "Wanted", most: int) -> "Found":
    from bridge import dead_letters

    return asyncio.run(dead_letters.find(topology, wanted, most=most))


def _filter(topology: Topology, reasons: Sequence[str], subject: str) -> "Wanted":
    return lambda letter: (
        (not reasons or letter.reason.value in reasons)
        and subject in _published(topology, letter)
    )


def _replayable(topology: Topology, reasons: Sequence[str], subject: str) -> "Wanted":
    chosen = _filter(topology, reasons, subject)
    return lambda letter: letter.stream == topology.stream and chosen(letter)


def _named(topology: Topology, names: Sequence[str]) -> "Found":
    """Return the letters of these names, each of which must be one letter's."""
    from bridge.dead_letters import LetterNotFound

    def matches(name: str, identity: str) -> bool:
        if name.count("/") < 2:
            identity = _short(identity)
        return (
            identity == name
            or identity.partition("/")[0] == name
            or ("/" in name and identity.startswith(name))
        )

    found = _found(
        topology,
        lambda letter: any(matches(name, letter.identity) for name in names),
        REPLAYED_MAX,
    )
    for name in names:
        having = [each for each in found.letters if matches(name, each)]
        if not having:
            raise LetterNotFound(f"no dead letter {name}: see `dead-letters list`")
        if len(having) > 1:
            shorter = ", ".join(map(_short, having[:5]))
            raise LetterNotFound(f"{len(having)} letters are {name}, e.g. {shorter}")
    return found


def _published(topology: Topology, letter: "DeadLetter") -> str:
    return topology.published_subject(letter.subject)


def _short(identity: str) -> str:
    return identity.partition("/")[2]


def _time(seconds: float | None) -> str:
    if not seconds:
        return ""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(" ", "seconds")


def _fields(
    topology: Topology, identity: str, letter: "DeadLetter", found: "Found"
) -> dict[str, Any]:
    text = letter.payload.decode(errors="backslashreplace")
    return {
        "name": identity,
        "reason": letter.reason.value,
        "detail": letter.detail,
        "subject": _published(topology, letter),
        "stream": letter.stream,
        "sequence": letter.sequence,
        "arrived": _time(letter.arrival),
        "replayed": _time(found.replayed.get(identity)) or None,
        "payload": text,
    }


def _dump(payload: bytes) -> str:
    """Return a payload as text where it is text, and else as a hex dump."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = ""
    if text and text.isprintable():
        return text
    return "\n".join(
        f"{at:04x}  {payload[at : at + 16].hex(' ')}"
        for at in range(0, len(payload), 16)
    )
