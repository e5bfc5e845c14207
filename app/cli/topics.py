"""`smartmeter topics`."""

import asyncio

import click
import orjson

from app import settings as _settings
from app import topics
from app.errors import TopicMismatch

__all__ = ["command"]


@click.command(short_help="Create and check the Kafka topics.")
@click.argument("what", type=click.Choice(["apply", "check"]), default="apply")
@click.option(
    "--configs",
    is_flag=True,
    help="With apply: also set retention and the like where they differ. A shorter"
    " retention deletes what is older.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a topic.")
def command(what: str, configs: bool, as_json: bool) -> None:
    r"""Create the Kafka topics that are missing (apply), or only check them (check).

    The number of partitions is chosen once: a topic that has another number is
    reported and never changed. So is a configuration that differs (retention, largest
    record, segments), unless --configs. Each line says what mends it. Exit code 1 if a
    topic is not as it must be.

    \b
    Example:
      smartmeter topics
      smartmeter topics check --json
      SMARTMETER_KAFKA__RETENTION_HOURS=336 smartmeter topics apply --configs
    """
    if configs and what == "check":
        raise click.UsageError("--configs belongs to apply")
    values = _settings.load()
    if what == "apply":
        findings = asyncio.run(topics.ensure_topics(values, mend=configs))
    else:
        findings = asyncio.run(topics.check_topics(values))
    for topic, text in findings:
        if as_json:
            row = {"topic": topic.name, "partitions": topic.partitions, "trouble": text}
            click.echo(orjson.dumps(row))
        else:
            click.echo(f"{topic.name:<32} {topic.partitions:>3}  {text or 'ok'}")
    wrong = [f"{topic.name} {text}" for topic, text in findings if text]
    if wrong:
        more = f"; and {len(wrong) - 1} more of {len(findings)}" * (len(wrong) > 1)
        raise TopicMismatch(f"{wrong[0]}{more}")
