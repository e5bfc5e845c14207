"""The settings of windows, of the standard that judges them, and of alerts."""

import math
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, field_validator, model_validator

from app.errors import SettingsError
from app.settings.base import Section

if TYPE_CHECKING:
    from app.domain.standards import Profile

__all__ = ["Alerts", "Windows"]

SEED = "seed"
SEED_THRESHOLD_VOLTS = 116.0


class Windows(Section):
    """Event-time windows."""

    size_seconds: int = Field(
        900, ge=1, le=86_400, description="Length of a window; one epoch of the seed."
    )
    grace_seconds: int = Field(
        900,
        ge=0,
        le=604_800,
        description="How far the watermark passes a window's end before it closes.",
    )
    standard: str = Field(
        SEED,
        description="Voltage standard: seed, ansi-c84.1, ansi-c84.1-utilization,"
        " en50160; with _FILE, one of your own, as TOML.",
    )
    threshold_volts: float = Field(
        SEED_THRESHOLD_VOLTS,
        gt=0,
        lt=1_000_000,
        description="Voltage above which a reading counts as over; unless given, the"
        " upper limit of the standard.",
    )

    @model_validator(mode="before")
    @classmethod
    def follows_the_standard(cls, values: Any) -> Any:
        """Take the threshold from the standard, unless it is given."""
        if not isinstance(values, dict) or "threshold_volts" in values:
            return values
        standard = values.get("standard", SEED)
        if standard == SEED or not isinstance(standard, str):
            return values
        try:
            high = _profile(standard).inner.high
        except SettingsError:
            return values  # the field itself says what is wrong
        if not math.isfinite(high):
            raise ValueError("the standard has no upper limit: give threshold_volts")
        return {**values, "threshold_volts": high}

    @field_validator("standard")
    @classmethod
    def is_known(cls, standard: str) -> str:
        """Refuse a standard that nobody knows, or that makes no sense."""
        if standard != SEED:
            try:
                _profile(standard)
            except SettingsError as error:
                raise ValueError(str(error)) from None
        return standard

    @model_validator(mode="after")
    def divides_a_day(self) -> Self:
        """Keep windows clock-aligned in every day."""
        if 86_400 % self.size_seconds:
            raise ValueError("size_seconds must divide a day of 86400 s")
        return self

    @property
    def profile(self) -> "Profile":
        """The voltage standard by which windows are judged."""
        return _profile(self.standard, threshold_volts=self.threshold_volts)


def _profile(
    standard: str, *, threshold_volts: float = SEED_THRESHOLD_VOLTS
) -> "Profile":
    from app.domain.standards import parse_profile, profile  # it brings NumPy

    if "=" in standard:
        return parse_profile(standard)
    return profile(standard, threshold_volts=threshold_volts)


class Alerts(Section):
    """When closed windows raise alerts, and when alerts clear."""

    readings_over_min: int = Field(
        2,
        ge=1,
        le=1_000_000,
        description="Readings over the threshold in one window that raise an alert; a"
        " standard of means raises by its verdict too.",
    )
    clear_windows: int = Field(
        2,
        ge=1,
        le=10_000,
        description="Calm windows in a row that clear an alert.",
    )
    clear_margin_volts: float = Field(
        0.5,
        ge=0,
        le=1_000,
        description="How far inside the limits a calm window lies.",
    )
