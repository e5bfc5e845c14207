"""What the pages of alerts answer, as JSON Schema."""

from app.domain.alert_rules import Side
from app.domain.alerts import State
from app.views.schemas import (
    ENVELOPE,
    INTEGER,
    KEY,
    NUMBER,
    STRING,
    VERDICT,
    array,
    fields,
    or_null,
)

__all__ = ["ALERTS", "ONE_ALERT"]

ALERT = fields(
    alert=STRING,
    **KEY,
    kind={"enum": [*Side]},
    state={"enum": [*State]},
    usage_point=or_null(INTEGER),
    window_start_epoch_seconds=INTEGER,
    raised_epoch_seconds=INTEGER,
    acknowledged_epoch_seconds=or_null(INTEGER),
    cleared_epoch_seconds=or_null(INTEGER),
    voltage_volts=NUMBER,
    mean_volts=NUMBER,
    limit_volts=NUMBER,
    readings_count=INTEGER,
    readings_over_threshold=INTEGER,
    verdict=VERDICT,
    peak_volts=NUMBER,
    peak_usage_point=or_null(INTEGER),
    peak_window_start_epoch_seconds=INTEGER,
    windows_count=INTEGER,
)
ALERTS = fields(
    **ENVELOPE,
    counts=fields(**dict.fromkeys(map(str, State), INTEGER)),
    matched_alerts=INTEGER,
    alerts=array(ALERT),
)
ONE_ALERT = fields(**ENVELOPE, alert=ALERT)
