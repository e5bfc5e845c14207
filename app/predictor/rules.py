"""What is foreseen, by the settings."""

from dataclasses import dataclass

from app.settings import Settings

__all__ = ["Rules", "rules_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is foreseen: windows of size, lead ahead (seconds), over threshold (volts).

    An alert is a probability of at least alert_probability.
    """

    size: int
    lead: int
    threshold: float
    alert_probability: float = 0.5


def rules_of(settings: Settings, hours: int | None = None) -> Rules:
    """Return what is foreseen so many hours ahead; by default, the first of them."""
    return Rules(
        size=settings.windows.size_seconds,
        lead=(hours or settings.forecast.horizon_hours) * 3_600,
        threshold=settings.windows.threshold_volts,
        alert_probability=settings.forecast.alert_probability,
    )
