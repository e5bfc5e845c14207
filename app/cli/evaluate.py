"""`smartmeter evaluate`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import orjson

from app import settings as _settings
from app.cli.simulate import Start
from app.errors import SettingsError

if TYPE_CHECKING:
    from app.cli.trials import Kind, Plan, Report

__all__ = ["command"]

START = "2023-01-02T00:00:00Z"  # a Monday
HOUSEHOLD_VOLTS = 245.0

PLANNED = (
    "source",
    "of",
    "warm_up",
    "labels",
    "rate",
    "bias",
    "seed",
    "start",
    "change",
    "change_after",
)
SCORES = (
    "accuracy",
    "balanced_accuracy",
    "roc_auc",
    "log_loss",
    "calibration_error",
    "kappa_temporal",
    "precision",
    "recall",
)
ROWS = (
    "published",
    "regression",
    "direct",
    "same_as_now",
    "persistence",
    "climatology",
)
KINDS: tuple["Kind", ...] = ("drifts", "champions")


@click.command(short_help="Try the forecast over data in one pass; print its scores.")
@click.option(
    "--source",
    type=click.Choice(["generated", "household", "stored"]),
    default="generated",
    show_default=True,
    help="The simulator's fleet, a household's minutes, or the windows in Kafka.",
)
@click.option(
    "--of",
    type=click.Choice(["transformers", "fleet"]),
    default="transformers",
    show_default=True,
    help="Whose maxima are foreseen, when generated.",
)
@click.option(
    "--warm-up",
    type=click.IntRange(0),
    default=20_000,
    show_default=True,
    help="Labels that are learnt before any is scored.",
)
@click.option(
    "--labels",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    help="Labels that are scored, if there are so many.",
)
@click.option(
    "--size",
    type=click.IntRange(60),
    help="Length of a window, seconds.  [default: the setting]",
)
@click.option(
    "--ahead",
    type=click.IntRange(1),
    help="How many windows ahead is foreseen.  [default: the setting]",
)
@click.option(
    "--threshold",
    type=float,
    help="Volts.  [default: the setting; 245 for a household]",
)
@click.option(
    "--rate",
    type=click.IntRange(2, 1_000_000),
    default=500,
    show_default=True,
    help="Readings per second, and so the generated population.",
)
@click.option(
    "--bias/--no-bias",
    default=False,
    show_default=True,
    help="A level of its own for each generated meter.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Of chance."
)
@click.option(
    "--start",
    type=Start(),
    default=START,
    show_default=True,
    help="Simulated time to begin at.",
)
@click.option(
    "--change",
    type=click.Choice(["none", "shift", "season", "solar"]),
    default="none",
    show_default=True,
    help="What happens to the generated world: every voltage rises by 0.8 V, half a "
    "year is skipped, or noons rise by 0.5 V a day up to 4 V.",
)
@click.option(
    "--change-after",
    type=click.FloatRange(0),
    default=40.0,
    show_default=True,
    help="After how many simulated days.",
)
@click.option(
    "--examples",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Rows of the table of examples.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(**options: Any) -> None:
    r"""Try the forecast over data in one pass, and print its scores.

    The code is that of the live stage: predict first, learn when the label arrives.
    Baselines stand beside it: the last label that was known, and the hour of the week.

    \b
    Example:
      smartmeter evaluate --labels 20000
      smartmeter evaluate --source household --ahead 1 --warm-up 0 --labels 200000
      smartmeter evaluate --change shift --warm-up 1000 --labels 40000
    """
    from app.cli import trials

    report = trials.run(values := _settings.load(), _plan(values, options))
    if not report.figures["labels"]:
        raise SettingsError("evaluate: no label was scored: ask for less --warm-up")
    if options["as_json"]:
        click.echo(orjson.dumps(_as_json(report)))
    else:
        _print(report, options["examples"])


def _plan(values: _settings.Settings, options: dict[str, Any]) -> "Plan":
    from app.cli.trials import Plan
    from app.predictor.online import Rules

    size = options["size"] or values.windows.size_seconds
    ahead = options["ahead"]
    threshold = options["threshold"]
    if threshold is None:
        household = options["source"] == "household"
        threshold = HOUSEHOLD_VOLTS if household else values.windows.threshold_volts
    rules = Rules(
        size=size,
        lead=ahead * size if ahead else values.forecast.horizon_hours * 3_600,
        threshold=threshold,
        alert_probability=values.forecast.alert_probability,
    )
    return Plan(
        rules=rules,
        grace=values.windows.grace_seconds,
        lanes=values.kafka.lanes,
        **{name: options[name] for name in PLANNED},
    )


def _as_json(report: "Report") -> dict[str, Any]:
    return {
        **report.figures,
        "microseconds_per_label": round(report.microseconds_per_label, 1),
        "drifts": [asdict(each) for each in report.found("drifts")],
        "champions": [asdict(each) for each in report.found("champions")],
    }


def _print(report: "Report", examples: int) -> None:
    from app.predictor.evaluation import EXAMPLE_COLUMNS

    rows = report.examples()[:examples]
    if rows:
        _print_grid(EXAMPLE_COLUMNS, [example.row() for example in rows])
        click.echo(f"showing {len(rows)} of the labels that were scored\n")
    figures = report.figures
    click.echo(" " * 18 + "".join(f"{name.replace('_', ' '):>12}" for name in ROWS))
    for score in SCORES:
        cells = (_cell(figures[row].get(score, ""), 4) for row in ROWS)
        name = score.replace("_", " ")
        click.echo(f"{name:<18}" + "".join(f"{cell:>12}" for cell in cells))
    alerts = figures["alerts"]
    click.echo(
        f"\n{figures['labels']:,} labels scored, {figures['positives']:.1%} over the "
        f"threshold. {alerts['count']:,} alerts: precision {alerts['precision']:.4f}, "
        f"recall {alerts['recall']:.4f}."
    )
    if alerts["lead_seconds"]:
        hours = alerts["lead_seconds"] / 3_600
        when = "before" if hours > 0 else "after"
        click.echo(
            f"Alerts that came true were given {abs(hours):.2f} hours {when} their "
            "window began, once the grace for late readings was over."
        )
    click.echo(
        "To predict and to learn a label took "
        f"{report.microseconds_per_label:.0f} µs of processor time."
    )
    for kind in KINDS:
        lanes: dict[tuple[int, str], list[str]] = {}
        for each in report.found(kind):
            lanes.setdefault((each.start, each.name), []).append(str(each.lane))
        for (start, name), of in lanes.items():
            at = datetime.fromtimestamp(start, UTC)
            what = f"{kind.removesuffix('s')} {name}"
            click.echo(f"{at:%Y-%m-%d %H:%M}  {what}, lanes {' '.join(of)}")


def _print_grid(names: Sequence[str], rows: list[Sequence[Any]]) -> None:
    """Print a table as Spark does, and so the original."""
    cells = [[_cell(value) for value in row] for row in rows]
    columns = zip(names, *cells, strict=True)
    widths = [max(map(len, column)) for column in columns]
    rule = "+" + "+".join("-" * width for width in widths) + "+"
    click.echo(rule)
    for number, row in enumerate([list(names), *cells]):
        line = (f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo("|" + "|".join(line) + "|")
        if not number:
            click.echo(rule)
    click.echo(rule)


def _cell(value: Any, digits: int = 6) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)
