"""What all dashboards share: the data source, variables, annotations, links."""

from collections.abc import Iterable

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana.panels import DATASOURCE
from deploy.grafana.promql import select

__all__ = ["TAG", "Annotation", "board", "drift_marks"]

TAG = "smartmeter"
DRIFT_WINDOW = "2m"  # Grafana asks for a value a minute to make marks of
Panels = Iterable[Builder[models.Panel] | dashboard.Row]


class Annotation(models.AnnotationQuery):
    """Marks on every graph, with what Grafana's Prometheus source has for them.

    The SDK's model lacks these: the text of a mark, and whether a query's value, in
    milliseconds since the epoch, is the moment that is marked.
    """

    def __init__(
        self, name: str, expr: str, color: str, text: str, *, is_moment: bool
    ) -> None:
        super().__init__(
            name=name,
            datasource=DATASOURCE,
            icon_color=color,
            expr=expr,
        )
        self.text = text
        self.is_moment = is_moment

    def to_json(self) -> dict[str, object]:
        """Return the JSON that Grafana reads."""
        return {
            **super().to_json(),
            "titleFormat": self.name,
            "textFormat": self.text,
            "useValueForTime": self.is_moment,
        }


def board(
    uid: str,
    title: str,
    description: str,
    job_metric: str,
    panels: Panels,
    *,
    variables: Iterable[Builder[models.VariableModel]] = (),
    annotations: Iterable[Annotation] = (),
) -> models.Dashboard:
    """Return a dashboard; job_metric is the one by which its jobs are found."""
    built = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .refresh("10s")
        .time("now-5m", "now")
        .timezone("browser")
        .link(
            dashboard.DashboardLink("Dashboards")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(False)
            .keep_time(True)
        )
    )
    for variable in (_source(), _job(job_metric), _instance(job_metric), *variables):
        built.with_variable(variable)
    for panel in panels:
        if isinstance(panel, dashboard.Row):
            built.with_row(panel)
        else:
            built.with_panel(panel)
    made = built.build()
    made.annotations.list_val = [*_annotations(), *annotations]
    for number, placed in enumerate(made.panels or (), start=1):
        placed.id_val = number
    return made


def _source() -> dashboard.DatasourceVariable:
    return (
        dashboard.DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that is asked.")
        .type("prometheus")
        .current(models.VariableOption(text="Prometheus", value="prometheus"))
    )


def _job(metric: str) -> dashboard.QueryVariable:
    return _query_variable("job", f"label_values({metric}, job)").label("Job")


def _instance(metric: str) -> dashboard.QueryVariable:
    query = f'label_values({metric}{{job=~"$job"}}, instance)'
    return _query_variable("instance", query).label("Instance")


def _query_variable(name: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .description("Which of them to show.")
        .datasource(DATASOURCE)
        .query({"query": query, "refId": name})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _annotations() -> Iterable[Annotation]:
    """Yield what happened: processes started, partitions moved, alerts fired."""
    process = "{{job}} {{instance}}"
    for name, color, moment in (
        ("Start", "blue", "process_start_time_seconds"),
        ("Rebalance", "yellow", "smartmeter_faust_last_rebalance_timestamp_seconds"),
    ):
        expr = f"{select(moment)} * 1000"
        yield Annotation(name, expr, color, process, is_moment=True)
    firing = 'ALERTS{alertstate="firing"}'
    words = "{{alertname}} ({{severity}})"
    yield Annotation("Alert", firing, "red", words, is_moment=False)


def drift_marks() -> Annotation:
    """Return marks where a watched series of the forecast was found to have risen.

    The query is 1 there and 0 elsewhere, of which Grafana marks none.
    """
    found = select("smartmeter_forecast_drifts_found_total")
    risen = f"sum by (series) (increase({found}[{DRIFT_WINDOW}])) > bool 0"
    return Annotation("Drift", risen, "purple", "{{series}}", is_moment=False)
