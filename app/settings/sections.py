"""The settings by section; a field's description is its documentation."""

from typing import Literal, Self

from pydantic import (
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from app.settings.base import Encrypted, Section

__all__ = [
    "Bridge",
    "Forecast",
    "Kafka",
    "Nats",
    "Worker",
]

TOKEN_LENGTH_MIN = 16
HORIZON_HOURS_MAX = 168
HORIZONS_MAX = 4


class Nats(Encrypted):
    """Where meters publish."""

    servers: str = Field(
        "nats://127.0.0.1:4222", description="NATS servers, comma-separated."
    )
    subject: str = Field(
        "", description="Base subject; empty: <namespace>.voltage.raw."
    )
    replicas: int = Field(1, ge=1, le=5, description="Replicas of the streams.")
    stream_bytes_max: int = Field(
        4 << 30, ge=1 << 20, description="Largest size of the raw stream, bytes."
    )
    message_bytes_max: int = Field(
        1 << 20, ge=1024, description="Largest message taken, bytes."
    )
    connect_timeout_seconds: float = Field(
        5.0, gt=0, le=60, description="Bound of one connection attempt."
    )
    user: str = Field("", description="User name; empty: none is sent.")
    password: SecretStr = Field(SecretStr(""), description="Password of the user.")
    token: SecretStr = Field(SecretStr(""), description="Token, instead of a user.")
    nkey_seed: SecretStr = Field(
        SecretStr(""), description="Seed of an nkey (SU…), instead of a user."
    )
    credentials: SecretStr = Field(
        SecretStr(""),
        description="Content of a credentials file (JWT and seed), instead of a user.",
    )
    inbox_prefix: str = Field(
        "_INBOX",
        pattern=r"^[^\s.*>]+(\.[^\s.*>]+)*$",
        description="First tokens of the subjects on which we are answered.",
    )

    @model_validator(mode="after")
    def says_once_who_asks(self) -> Self:
        """Refuse two identities, of which one would be ignored in silence."""
        given = [
            name
            for name in ("user", "token", "nkey_seed", "credentials")
            if (value := getattr(self, name))
            and (isinstance(value, str) or value.get_secret_value())
        ]
        if len(given) > 1:
            raise ValueError(f"give one of {' and '.join(given)}, not both")
        if bool(self.user) != bool(self.password.get_secret_value()):
            raise ValueError("user and password belong together")
        return self


class Kafka(Encrypted):
    """Where the stages meet."""

    servers: str = Field(
        "127.0.0.1:9092", description="Bootstrap servers, comma-separated."
    )
    lanes: int = Field(
        8,
        ge=1,
        le=256,
        description="Lanes, which are partitions; chosen once, never grown.",
    )
    replication_factor: int = Field(
        1, ge=1, le=9, description="Replicas of each topic."
    )
    retention_hours: float = Field(
        168.0, gt=0, description="How long readings and results stay in Kafka."
    )
    session_timeout_seconds: float = Field(
        10.0,
        ge=6,
        le=300,
        description="A worker silent for this long loses its partitions.",
    )
    journal_bytes_min: int = Field(
        8 << 20,
        ge=1 << 10,
        le=1 << 30,
        description="Least growth of a journal between two snapshots, bytes.",
    )
    request_timeout_seconds: float = Field(
        30.0, gt=0, le=600, description="Bound of one request to the broker."
    )
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "", description="How a user proves itself; empty: none does."
    )
    user: str = Field("", description="User name for sasl_mechanism.")
    password: SecretStr = Field(SecretStr(""), description="Password of the user.")

    @model_validator(mode="after")
    def names_all_that_a_user_needs(self) -> Self:
        """Refuse half an identity, which would be ignored in silence."""
        given = (self.sasl_mechanism, self.user, self.password.get_secret_value())
        if any(given) and not all(given):
            raise ValueError("sasl_mechanism, user and password belong together")
        return self


class Bridge(Section):
    """NATS to Kafka and back."""

    frame_rows_max: int = Field(
        500, ge=1, le=2_000, description="Most readings in one frame."
    )
    frame_milliseconds_max: int = Field(
        20, ge=1, le=5_000, description="Longest wait for a frame to fill."
    )
    in_flight_frames_max: int = Field(
        8,
        ge=1,
        le=1_000,
        description="Batches of readings ready and not yet sent, per lane.",
    )
    identity: str = Field(
        "",
        pattern=r"^[\w.:-]{0,100}$",
        description="Name among the bridges, no two alike; empty: host name and port.",
    )
    lease_seconds: float = Field(
        5.0,
        ge=2,
        le=60,
        description="A bridge silent for this long loses its lanes to the others.",
    )
    idle_seconds: float = Field(
        1.0,
        gt=0,
        le=3_600,
        description="A lane silent for this long follows the others' watermark.",
    )
    stalled_seconds: float = Field(
        120.0,
        ge=4,
        description="Messages that wait without progress for this long, while NATS and"
        " Kafka answer, make /live fail.",
    )
    clock_skew_seconds_max: int = Field(
        300,
        ge=0,
        le=86_400,
        description="How far after its arrival a reading's time may lie.",
    )
    voltage_volts_min: float = Field(
        0.0, description="A lower voltage is absurd and rejected."
    )
    voltage_volts_max: float = Field(
        1_000.0, description="A higher voltage is absurd and rejected."
    )
    host: str = Field("127.0.0.1", description="Address of /live, /ready and /metrics.")
    port: int = Field(
        6090, ge=0, le=65_535, description="Port of /live, /ready and /metrics."
    )


class Worker(Section):
    """The live stage."""

    host: str = Field(
        "127.0.0.1",
        description="Address at which other workers reach this one's web view.",
    )
    bind: str = Field("127.0.0.1", description="Address on which the web view listens.")
    port: int = Field(6066, ge=1, le=65_535, description="Port of the web view.")
    identity: str = Field(
        "",
        description="Stable name, for static membership; empty: host-port.",
    )
    group_frames_max: int = Field(
        64, ge=1, le=1_000, description="Most frames folded and committed together."
    )
    group_milliseconds_max: int = Field(
        20, ge=1, le=1_000, description="Longest wait for such a group."
    )
    stalled_seconds: float = Field(
        120.0, ge=5, description="Lag without progress for this long makes /live fail."
    )
    read_token: SecretStr = Field(
        SecretStr(""),
        description="Token to see the web view; empty: whoever reaches it sees it.",
    )
    operator_token: SecretStr = Field(
        SecretStr(""),
        description="Token to change things; empty: nobody can. It also shows all.",
    )

    @model_validator(mode="after")
    def cannot_be_guessed(self) -> Self:
        """Refuse tokens that somebody could try out, and one that means two things."""
        tokens = [self.read_token.get_secret_value()]
        tokens.append(self.operator_token.get_secret_value())
        if any(0 < len(token) < TOKEN_LENGTH_MIN for token in tokens):
            raise ValueError(f"a token has at least {TOKEN_LENGTH_MIN} characters")
        if tokens[0] and tokens[0] == tokens[1]:
            raise ValueError("read_token and operator_token are the same")
        return self


class Forecast(Section):
    """Online prediction."""

    horizons_hours: str = Field(
        "12",
        description="How far ahead windows are predicted, 1 to 168 hours; several with"
        " commas, each with models of its own. The first one leads.",
    )
    alert_probability: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="Probability from which a prediction is an alert.",
    )

    @property
    def horizons(self) -> tuple[int, ...]:
        """The hours ahead, in their order."""
        return tuple(int(text) for text in self.horizons_hours.split(","))

    @property
    def horizon_hours(self) -> int:
        """The horizon that leads: its figures are those of the metrics."""
        return self.horizons[0]

    @field_validator("horizons_hours")
    @classmethod
    def are_hours(cls, text: str) -> str:
        """Refuse what are no hours, or too many."""
        words = [word.strip() for word in text.split(",")]
        if not all(w.isdecimal() and 1 <= int(w) <= HORIZON_HOURS_MAX for w in words):
            raise ValueError(f"hours from 1 to {HORIZON_HOURS_MAX}, such as 12,24")
        if len({int(word) for word in words}) < len(words):
            raise ValueError("a horizon is given twice")
        if len(words) > HORIZONS_MAX:
            raise ValueError(f"at most {HORIZONS_MAX} horizons")
        return ",".join(str(int(word)) for word in words)
