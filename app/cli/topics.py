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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a topic.")
def command(what: str, as_json: bool) -> None:
    r"""Create the Kafka topics that are missing (apply), or only check them (check).

    The number of partitions is chosen once: a topic that has another number is
    reported and never changed. Exit code 1 if a topic is not as it must be.

    \b
    Example:
      smartmeter topics
      smartmeter topics check --json
    """
    values = _settings.load()
    work = topics.ensure_topics if what == "apply" else topics.check_topics
    findings = asyncio.run(work(values))
    for topic, text in findings:
        if as_json:
            row = {"topic": topic.name, "partitions": topic.partitions, "trouble": text}
            click.echo(orjson.dumps(row))
        else:
            click.echo(f"{topic.name:<32} {topic.partitions:>3}  {text or 'ok'}")
    wrong = [f"{topic.name} {text}" for topic, text in findings if text]
    if wrong:
        raise TopicMismatch("; ".join(wrong))
