"""`smartmeter dead-letters`: list, show, replay."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

import click
import orjson

from app import settings
from app.cli.letters import dump, fields, moment, published, short
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
            click.echo(orjson.dumps(fields(topology, identity, letter, found)))
        return
    rows = [
        (
            short(identity),
            moment(letter.arrival),
            letter.reason.value,
            topology.published_subject(letter.subject),
            letter.detail,
            moment(found.replayed.get(identity)),
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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a letter.")
def show(name: str, as_json: bool) -> None:
    r"""Show a letter with all its coordinates and its payload.

    \b
    Example:
      smartmeter dead-letters show 1234
    """
    topology = Topology(settings.load())
    found = _named(topology, [name])
    for identity, letter in found.letters.items():
        if as_json:
            click.echo(orjson.dumps(fields(topology, identity, letter, found)))
            continue
        for key, value in fields(topology, identity, letter, found).items():
            if key != "payload":
                click.echo(f"{key:<11} {value}")
        click.echo(f"{'payload':<11} {len(letter.payload)} bytes")
        click.echo(dump(letter.payload))


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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a letter.")
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
    as_json: bool,
) -> None:
    r"""Send letters to NATS again, on the subject they came on, and mark them.

    The bridge judges them anew: a letter that is still of no use becomes another one.

    \b
    Example:
      smartmeter dead-letters replay --reason future
      smartmeter dead-letters replay 1234 --payload corrected.json
    """
    from bridge.resending import resend

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
    unsure = 0
    say = _say_as_json if as_json else _say
    if dry_run:
        for letter in chosen:
            say(topology, letter, None)
    else:
        sent = payload.read() if payload else None
        sending = resend(topology, found, chosen, payload=sent, again=again)
        unsure = asyncio.run(_replay(sending, topology, say))
    if not as_json:
        word = "would be sent" if dry_run else "sent"
        skipped = len(found.letters) - len(chosen)
        _say_counts(f"{len(chosen) - unsure} {word}", skipped, unsure)


def _say_counts(done: str, skipped: int, unsure: int) -> None:
    click.echo(f"{done}, {skipped} replayed before (--again sends them)")
    if unsure:
        click.echo(
            f"{unsure} left: an earlier replay of them was interrupted, and nobody can"
            " tell whether they were sent (--again sends them)"
        )


Say = Callable[[Topology, "DeadLetter", int | None], None]


async def _replay(
    sending: "AsyncIterator[tuple[DeadLetter, int | None]]",
    topology: Topology,
    say: Say,
) -> int:
    """Send letters; return how many were left because nobody can tell."""
    unsure = 0
    async for letter, sequence in sending:
        if sequence is None:
            unsure += 1
        else:
            say(topology, letter, sequence)
    return unsure


def _say(topology: Topology, letter: "DeadLetter", sequence: int | None) -> None:
    place = "" if sequence is None else f", sequence {sequence}"
    click.echo(f"{letter.identity} to {published(topology, letter)}{place}")


def _say_as_json(
    topology: Topology, letter: "DeadLetter", sequence: int | None
) -> None:
    said = {
        "name": letter.identity,
        "subject": published(topology, letter),
        "sequence": sequence,
    }
    click.echo(orjson.dumps(said))


def _found(topology: Topology, wanted: "Wanted", most: int) -> "Found":
    from bridge import dead_letters

    return asyncio.run(dead_letters.find(topology, wanted, most=most))


def _filter(topology: Topology, reasons: Sequence[str], subject: str) -> "Wanted":
    return lambda letter: (
        (not reasons or letter.reason.value in reasons)
        and subject in published(topology, letter)
    )


def _replayable(topology: Topology, reasons: Sequence[str], subject: str) -> "Wanted":
    chosen = _filter(topology, reasons, subject)
    return lambda letter: letter.stream == topology.stream and chosen(letter)


def _named(topology: Topology, names: Sequence[str]) -> "Found":
    """Return the letters of these names, each of which must be one letter's."""
    from bridge.dead_letters import LetterNotFound

    def matches(name: str, identity: str) -> bool:
        if name.count("/") < 2:
            identity = short(identity)
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
            shorter = ", ".join(map(short, having[:5]))
            raise LetterNotFound(f"{len(having)} letters are {name}, e.g. {shorter}")
    return found
