"""What the page of models answers, as JSON Schema."""

from app.predictor.pending import MODELS as NAMES
from app.views.schemas import (
    BOOLEAN,
    ENVELOPE,
    INTEGER,
    NUMBER,
    SHARE,
    STRING,
    array,
    fields,
    or_null,
)

__all__ = ["MODELS", "RETURN"]

SCORES = {
    "accuracy": or_null(SHARE),
    "log_loss": or_null(NUMBER),
    "calibration_error": or_null(SHARE),
    "roc_auc": or_null(SHARE),
}
EVENT = fields(
    window_start_epoch_seconds=INTEGER,
    kind={"enum": ["drift", "champion", "version"]},
    name=STRING,
)
MODEL = fields(
    name=STRING,
    lane=INTEGER,
    champion={"enum": [*NAMES]},
    transformers_count=INTEGER,
    labels_count=INTEGER,
    windows_count=INTEGER,
    waiting_count=INTEGER,
    week=fields(
        labels_count=INTEGER,
        same_as_now_accuracy=or_null(SHARE),
        models={"type": "object", "additionalProperties": fields(**SCORES)},
    ),
    events=array(EVENT),
)
VERSION = fields(
    name=STRING,
    version=INTEGER,
    made_epoch_seconds=INTEGER,
    champion={"enum": [*NAMES]},
    transformers_count=INTEGER,
    labels_count=INTEGER,
    same_as_now_accuracy=or_null(SHARE),
    **SCORES,
)
MODELS = fields(
    **ENVELOPE,
    models=array(MODEL),
    versions=fields(is_known=BOOLEAN, reason=STRING, versions=array(VERSION)),
)
RETURN = fields(name=STRING, version=INTEGER)
