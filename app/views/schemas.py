"""What the JSON pages answer, as JSON Schema.

Written by hand; a test holds every page's answer against it, and it allows no field
that it does not name.
"""

from typing import Any

from app.domain.standards import Verdict
from app.views.worker import Phase

__all__ = [
    "COLUMNS",
    "COMMON",
    "ENVELOPE",
    "ERROR",
    "FIGURES",
    "INTEGER",
    "KEY",
    "MESSAGES",
    "NUMBER",
    "OVERVIEW",
    "PIPELINE",
    "PREDICTIONS",
    "PREDICTIONS_OF_ONE",
    "STRING",
    "TOP",
    "TRANSFORMER",
    "VERDICT",
    "WINDOWS",
    "Schema",
    "array",
    "fields",
    "or_null",
]

Schema = dict[str, Any]

INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
STRING: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
VERDICT: Schema = {"enum": [*Verdict]}


def array(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def or_null(schema: Schema) -> Schema:
    """Return the schema of something that may not be known."""
    return {"anyOf": [schema, {"type": "null"}]}


def fields(**named: Schema) -> Schema:
    """Return the schema of an object that has all of the fields, and no other."""
    return {
        "type": "object",
        "properties": named,
        "required": list(named),
        "additionalProperties": False,
    }


COMMON = {
    "namespace": STRING,
    "answered_by": STRING,
    "window_seconds": INTEGER,
    "grace_seconds": INTEGER,
    "threshold_volts": NUMBER,
}
MISSING = fields(
    lanes=array(INTEGER),
    workers=array(fields(url=STRING, reason=STRING)),
)
ENVELOPE = {
    **COMMON,
    "answered_lanes": array(INTEGER),
    "incomplete_lanes": array(INTEGER),
    "missing": MISSING,
}
KEY = {"line": INTEGER, "transformer": INTEGER}
WINDOW = fields(
    **KEY,
    window_start_epoch_seconds=INTEGER,
    readings_count=INTEGER,
    minimum_volts=NUMBER,
    mean_volts=NUMBER,
    maximum_volts=NUMBER,
    maximum_usage_point=INTEGER,
    readings_over_threshold=INTEGER,
    state={"enum": ["open", "closed"]},
    verdict=VERDICT,
)
COLUMNS = fields(
    **{name: array(schema) for name, schema in WINDOW["properties"].items()}
)
MAXIMUM = fields(epoch_seconds=INTEGER, maximum_volts=NUMBER)
FORECAST = {
    "predictions_made": INTEGER,
    "predictions_scored": INTEGER,
    "week_scored": INTEGER,
    "week_right": INTEGER,
    "week_same_as_now_right": INTEGER,
}
FIGURES = {
    "readings_per_second": or_null(NUMBER),
    "lag_frames": or_null(INTEGER),
    "watermark_epoch_seconds": or_null(INTEGER),
    "readings_counted": or_null(INTEGER),
    "readings_late": or_null(INTEGER),
    "windows_open": or_null(INTEGER),
    "windows_closed": or_null(INTEGER),
    "alerts_raised": or_null(INTEGER),
    "alerts_acknowledged": or_null(INTEGER),
}
OVERVIEW = fields(
    **COMMON,
    totals=fields(**FIGURES, watermark_spread_seconds=or_null(INTEGER)),
    latest_maximum=or_null(MAXIMUM),
    fleet_maxima=array(MAXIMUM),
    forecast=or_null(
        fields(
            **FORECAST,
            accuracy_share=or_null(SHARE),
            baseline_accuracy_share=or_null(SHARE),
        )
    ),
    workers=array(
        fields(
            url=STRING,
            phase=or_null({"enum": [*Phase]}),
            lanes=array(INTEGER),
            trouble=STRING,
            rebalances_count=or_null(INTEGER),
            started_epoch_seconds=or_null(INTEGER),
            resident_bytes=or_null(INTEGER),
        )
    ),
    lanes=array(
        fields(
            lane=INTEGER,
            worker=STRING,
            **FIGURES,
            closed_to_epoch_seconds=or_null(INTEGER),
            is_history_complete=BOOLEAN,
            forecast=or_null(fields(**FORECAST)),
        )
    ),
    missing=MISSING,
)
SCORE = {
    name: or_null(NUMBER)
    for name in (
        "accuracy",
        "balanced_accuracy",
        "roc_auc",
        "log_loss",
        "brier",
        "calibration_error",
        "kappa_temporal",
        "precision",
        "recall",
        "f1",
    )
}
SCORES = fields(
    labels_count=INTEGER,
    positives_share=or_null(SHARE),
    same_as_now=or_null(fields(accuracy=SHARE)),
    models={"type": "object", "additionalProperties": fields(**SCORE)},
    alerts=or_null(
        fields(
            count=INTEGER, precision=NUMBER, recall=NUMBER, lead_seconds=or_null(NUMBER)
        )
    ),
)
WINDOWS = fields(
    **ENVELOPE,
    matched_windows=INTEGER,
    returned_windows=INTEGER,
    windows={"anyOf": [array(WINDOW), COLUMNS]},
)
TRANSFORMER = fields(
    **KEY, lane=INTEGER, worker=or_null(STRING), **ENVELOPE, windows=array(WINDOW)
)
TOP = fields(
    **ENVELOPE,
    by=STRING,
    windows=INTEGER,
    transformers_count=INTEGER,
    transformers=array(
        fields(
            **KEY,
            maximum_volts=NUMBER,
            maximum_usage_point=INTEGER,
            maximum_window_start_epoch_seconds=INTEGER,
            minimum_volts=NUMBER,
            mean_volts=NUMBER,
            readings_count=INTEGER,
            readings_over_threshold=INTEGER,
            windows_count=INTEGER,
            windows_over_threshold=INTEGER,
        )
    ),
)
PREDICTION = fields(
    window_start_epoch_seconds=INTEGER,
    made_epoch_seconds=INTEGER,
    probability=SHARE,
    foretold_maximum_volts=NUMBER,
    alert=BOOLEAN,
)
PREDICTIONS = fields(
    **ENVELOPE,
    horizon_hours=INTEGER,
    alert_probability=SHARE,
    predictions_made=INTEGER,
    champions={"type": "object", "additionalProperties": STRING},
    scores=fields(week=SCORES, total=SCORES),
    transformers_count=INTEGER,
    transformers_with_alert_count=INTEGER,
    transformers=array(
        fields(
            **KEY,
            probability=SHARE,
            window_start_epoch_seconds=INTEGER,
            foretold_maximum_volts=NUMBER,
            alerts_count=INTEGER,
            predictions_count=INTEGER,
        )
    ),
    fleet=array(PREDICTION),
)
PREDICTIONS_OF_ONE = fields(
    **ENVELOPE,
    **KEY,
    horizon_hours=INTEGER,
    alert_probability=SHARE,
    predictions=array(PREDICTION),
    past=array(PREDICTION),
)
PIPELINE = fields(
    **COMMON,
    topics=array(
        fields(
            topic=STRING,
            help=STRING,
            partitions=INTEGER,
            records_count=INTEGER,
            records_per_second=or_null(NUMBER),
            grew_seconds_ago=or_null(NUMBER),
        )
    ),
    readers=array(
        fields(
            topic=STRING,
            group=STRING,
            reader=STRING,
            lag_records=INTEGER,
            records_per_second=or_null(NUMBER),
        )
    ),
)
MESSAGES = fields(
    **COMMON,
    state={"enum": ["connecting", "listening", "away"]},
    reason=STRING,
    subjects=array(
        fields(subject=STRING, messages_count=INTEGER, messages_per_second=NUMBER)
    ),
    messages=array(
        fields(
            number=INTEGER,
            at_epoch_seconds=NUMBER,
            subject=STRING,
            content={},
            is_cut=BOOLEAN,
        )
    ),
)
ERROR = fields(status=INTEGER, error=STRING)
