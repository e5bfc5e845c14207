"""*Voltage*: injectors, the fleet's maximum with what was foreseen, what is stored.

Successor of the seed's board "gatling + max voltage".
"""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana.board import board, drift_marks
from deploy.grafana.panels import Graph, Query, graph, share, threshold_line
from deploy.grafana.promql import rate, select

__all__ = ["dashboard"]

MAXIMUM = f"max({select('smartmeter_live_fleet_maximum_volts')})"
THRESHOLD = f"max({select('smartmeter_live_threshold_volts')})"
ALERTS = select("smartmeter_forecast_foreseen_alerts")
FORETOLD = select("smartmeter_forecast_foretold_temperature_celsius")


def foreseen(when: str) -> str:
    """Return the threshold where some transformer was foreseen to pass it, at a time.

    `and` keeps nothing where nobody was: a dot is drawn, or none.
    """
    return f"{THRESHOLD} and on () (sum({ALERTS}{when}) > 0)"


def dashboard() -> models.Dashboard:
    """Return the dashboard."""
    return board(
        "smartmeter-voltage",
        "Voltage",
        "What meters send, the fleet's maximum and what was foreseen of it, what is"
        " stored.",
        "process_start_time_seconds",
        [
            _injectors(),
            _maximum(),
            _written(),
            _alerts(),
            _stored(),
            _temperature(),
            _exceedances(),
            _lines(),
            _open_alerts(),
            _alert_events(),
        ],
        variables=[_lead()],
        annotations=[drift_marks()],
    )


def _lead() -> builders.CustomVariable:
    return (
        builders.CustomVariable("lead")
        .label("Foreseen")
        .description(
            "How far ahead the forecast looks, on the clock on the wall: 48s where"
            " simulated time runs 900 times as fast, 12h where it does not."
        )
        .values("48s,12h")
        .current(models.VariableOption(selected=True, text="48s", value="48s"))
        .options(
            [
                models.VariableOption(selected=True, text="48s", value="48s"),
                models.VariableOption(selected=False, text="12h", value="12h"),
            ]
        )
    )


def _injectors() -> Graph:
    published = rate("smartmeter_simulator_readings_published_total")
    return graph(
        "Raw voltage injectors",
        "Readings that JetStream has acknowledged, by the slot of each simulator.",
        "cps",
        Query(f"sum by (slot) ({published})", "slot {{slot}}"),
        draw="bars",
        stack=True,
    )


def _maximum() -> Graph:
    panel = graph(
        "Maximum voltage",
        "The fleet's maximum of the last final epoch; the threshold; and, upon it, that"
        " some transformer was foreseen to pass it, when that was said.",
        "volt",
        Query(MAXIMUM, "maximum"),
        Query(THRESHOLD, "threshold"),
        Query(foreseen(""), "foreseen above"),
        draw="points",
        least=None,
    )
    return threshold_line(panel, "threshold")


def _written() -> Graph:
    rows = rate("smartmeter_archive_rows_total", 'table="raw_data"')
    return graph(
        "Cassandra writes per second",
        "Readings that Cassandra has acknowledged, by archive worker.",
        "wps",
        Query(f"sum by (instance) ({rows})", "{{instance}}"),
        draw="bars",
        stack=True,
    )


def _alerts() -> Graph:
    panel = graph(
        "Predictive alerts",
        "What was foreseen, moved by $lead onto the time it was foreseen for, over the"
        " maximum that came: dots upon the threshold and a maximum above it belong"
        " together.",
        "volt",
        Query(MAXIMUM, "maximum"),
        Query(THRESHOLD, "threshold"),
        Query(foreseen(" offset $lead"), "foreseen above"),
        draw="points",
        least=None,
    )
    return threshold_line(panel, "threshold")


def _stored() -> Graph:
    rows = select("smartmeter_archive_rows_total", 'table="raw_data"')
    return graph(
        "Cassandra stored count",
        "Readings stored since the archive workers began; a replay counts again.",
        "short",
        Query(f"sum by (table) ({rows})", "{{table}}"),
        draw="steps",
    )


def _temperature() -> Graph:
    measured = select("smartmeter_forecast_measured_temperature_celsius")
    return graph(
        "Temperature",
        "As measured, and as it was foretold for now, moved by $lead.",
        "celsius",
        Query(f"avg({measured})", "measured"),
        Query(f"avg({FORETOLD} offset $lead)", "foretold"),
        least=None,
    )


def _exceedances() -> Graph:
    over = rate("smartmeter_live_line_exceedances_total")
    return graph(
        "Readings above the threshold",
        "In the windows that were closed, by line: the feeders that suffer.",
        "cps",
        Query(f"topk(10, sum by (line) ({over}))", "line {{line}}"),
    )


def _lines() -> Graph:
    over = rate("smartmeter_live_line_exceedances_total")
    read = rate("smartmeter_live_line_readings_total")
    return share(
        "Share of readings above the threshold",
        "Of the readings of each line, in the windows that were closed.",
        Query(
            f"topk(10, sum by (line) ({over}) / (sum by (line) ({read}) > 0))",
            "line {{line}}",
        ),
    )


def _open_alerts() -> Graph:
    opened = select("smartmeter_alerts_open_alerts")
    return graph(
        "Open alerts",
        "Transformers that are outside now, by whether somebody has seen it; the page"
        " Alerts of any worker names them.",
        "short",
        Query(f"sum by (state) ({opened})", "{{state}}"),
        draw="steps",
        stack=True,
    )


def _alert_events() -> Graph:
    happened = rate("smartmeter_alerts_events_published_total")
    return graph(
        "What happens to alerts",
        "Alerts raised, acknowledged and cleared.",
        "cps",
        Query(f"sum by (event) ({happened})", "{{event}}"),
        draw="bars",
    )
