"""Panels: one way to draw each kind of figure, so that all dashboards look alike."""

from dataclasses import dataclass
from typing import Literal

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    prometheus,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as queries

__all__ = ["DATASOURCE", "Query", "graph", "share", "summary", "threshold_line"]

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH, HEIGHT = 12, 8  # of a grid that is 24 wide: two panels a row

Draw = Literal["line", "steps", "bars", "points"]
Graph = timeseries.Panel


@dataclass(frozen=True, slots=True)
class Query:
    """A query and the legend of its series; legends name labels as {{label}}."""

    expr: str
    legend: str


def graph(
    title: str,
    description: str,
    unit: str,
    *asked: Query,
    draw: Draw = "line",
    stack: bool = False,
    width: int = WIDTH,
    least: float | None = 0.0,
) -> Graph:
    """Return figures over time; least is where the axis begins, None: where they do."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(DATASOURCE)
        .span(width)
        .height(HEIGHT)
        .legend(
            common.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.TABLE)
            .placement(looks.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(looks.TooltipDisplayMode.MULTI)
            .sort(looks.SortOrder.DESCENDING)
        )
    )
    if least is not None:
        panel.min(least)
    if stack:
        panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    _drawn(panel, draw)
    for number, query in enumerate(asked):
        panel.with_target(_target(query, number))
    return panel


def share(title: str, description: str, *asked: Query, width: int = WIDTH) -> Graph:
    """Return shares of one over time, as per cent."""
    return graph(title, description, "percentunit", *asked, width=width).max(1.0)


def summary(title: str, description: str, unit: str, *asked: Query) -> table.Panel:
    """Return a table of the current value, the least and the most of each series."""
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .align(looks.FieldTextAlignment.AUTO)
        .datasource(DATASOURCE)
        .span(WIDTH)
        .height(HEIGHT)
        .with_transformation(
            models.DataTransformerConfig(
                id_val="reduce",
                options={
                    "reducers": ["lastNotNull", "min", "max"],
                    "mode": "seriesToRows",
                },
            )
        )
    )
    for number, query in enumerate(asked):
        panel.with_target(_target(query, number))
    return panel


def threshold_line(panel: Graph, name: str) -> Graph:
    """Draw one series of a graph as a dashed line of warning, without points."""
    return panel.override_by_name(
        name,
        [
            models.DynamicConfigValue("custom.drawStyle", "line"),
            models.DynamicConfigValue("custom.lineWidth", 1),
            models.DynamicConfigValue("custom.showPoints", "never"),
            models.DynamicConfigValue(
                "custom.lineStyle", {"fill": "dash", "dash": [8, 8]}
            ),
            models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "red"}),
        ],
    )


def row(title: str) -> dashboard.Row:
    """Return a heading for the panels below it."""
    return dashboard.Row(title)


def _drawn(panel: Graph, draw: Draw) -> None:
    match draw:
        case "line":
            panel.line_width(1).fill_opacity(8)
        case "steps":
            panel.line_interpolation(looks.LineInterpolation.STEP_AFTER)
            panel.line_width(1).fill_opacity(8)
        case "bars":
            panel.draw_style(looks.GraphDrawStyle.BARS).fill_opacity(70)
        case "points":
            panel.draw_style(looks.GraphDrawStyle.POINTS).point_size(4)
            panel.show_points(looks.VisibilityMode.ALWAYS)


def _target(query: Query, number: int) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .ref_id(chr(ord("A") + number))
        .datasource(DATASOURCE)
        .editor_mode(queries.QueryEditorMode.CODE)
        .range()
        .expr(query.expr)
        .legend_format(query.legend)
    )
