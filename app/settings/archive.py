"""The settings of the stage that writes to Cassandra, and of what reads it back."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from app.settings.base import Encrypted

__all__ = ["Archive"]


class Archive(Encrypted):
    """The stage that writes to Cassandra."""

    contact_points: str = Field(
        "127.0.0.1", description="Cassandra hosts, comma-separated."
    )
    port: int = Field(9042, ge=1, le=65_535, description="Cassandra's native port.")
    username: str = Field("", description="User name; empty: no authentication.")
    password: SecretStr = Field(SecretStr(""), description="Password.")
    datacenter: str = Field(
        "", description="Data centre to write to; empty: that of the first host."
    )
    replication: str = Field(
        "{'class': 'SimpleStrategy', 'replication_factor': 1}",
        description="Replication of the keyspace, as CQL.",
    )
    consistency: Literal[
        "ANY",
        "ONE",
        "TWO",
        "THREE",
        "QUORUM",
        "ALL",
        "LOCAL_QUORUM",
        "EACH_QUORUM",
        "LOCAL_ONE",
    ] = Field("ONE", description="Write consistency.")
    timeout_seconds: float = Field(
        10.0, gt=0, le=600, description="Bound of one write."
    )
    read_timeout_seconds: float = Field(
        60.0, gt=0, le=600, description="Bound of one read of batch and export."
    )
    batch_rows_max: int = Field(
        100, ge=1, le=1_000, description="Most rows in one batch of one partition."
    )
    in_flight_batches_max: int = Field(
        64, ge=1, le=4_096, description="Batches sent and not yet acknowledged."
    )
    batch_bytes_max: int = Field(
        64 << 10, ge=1 << 10, le=8 << 20, description="Most bytes in one batch."
    )
    group_frames_max: int = Field(
        64, ge=1, le=1_000, description="Most records written and committed together."
    )
    group_milliseconds_max: int = Field(
        50, ge=1, le=10_000, description="Longest wait for such a group."
    )
    retry_seconds_max: float = Field(
        10.0, gt=0, le=300, description="Longest pause between two tries of a write."
    )
    stalled_seconds: float = Field(
        120.0, ge=5, description="Lag without progress for this long makes /live fail."
    )
    ttl_days_raw: int = Field(
        0, ge=0, le=7_300, description="Days that raw readings stay; 0: for ever."
    )
    ttl_days_results: int = Field(
        0,
        ge=0,
        le=7_300,
        description="Days that windows, maxima, weather and predictions stay; 0: ever.",
    )
    ttl_days_models: int = Field(
        90,
        ge=0,
        le=7_300,
        description="Days that versions of models stay; 0: for ever.",
    )
    web_host: str = Field(
        "127.0.0.1",
        description="Address of the archive worker's /live, /ready and /metrics.",
    )
    web_port: int = Field(
        6080,
        ge=1,
        le=65_535,
        description="Port of the archive worker's /live, /ready and /metrics.",
    )

    @model_validator(mode="after")
    def names_all_that_a_user_needs(self) -> Self:
        """Refuse half an identity, which would be ignored in silence."""
        if bool(self.username) != bool(self.password.get_secret_value()):
            raise ValueError("username and password belong together")
        return self
