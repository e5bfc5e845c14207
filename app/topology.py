"""Every name of a subject, stream, topic, group and keyspace, once, as typed values."""

from dataclasses import dataclass
from functools import cached_property

from app.settings import Settings

__all__ = ["EVENT_BYTES_MAX", "FRAME_BYTES_MAX", "Topic", "Topology"]

FRAME_BYTES_MAX = 1 << 20
EVENT_BYTES_MAX = 4 << 20  # journal records and column batches of closed windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A Kafka topic as it must be on the broker."""

    name: str
    partitions: int
    retention_seconds: float
    message_bytes_max: int = EVENT_BYTES_MAX
    copies_min: int = 1  # that must have a record before it is acknowledged
    help: str = ""


@dataclass(frozen=True)
class Topology:
    """The names that belong to one deployment."""

    settings: Settings

    def _topic(self, word: str, partitions: int, meaning: str) -> Topic:
        return Topic(
            name=f"{self.settings.namespace}.{word}",
            partitions=partitions,
            retention_seconds=self.settings.kafka.retention_hours * 3_600,
            copies_min=self._majority,
            help=meaning,
        )

    @property
    def _majority(self) -> int:
        """Most of the replicas: one that dies then has nothing that others have not."""
        return self.settings.kafka.replication_factor // 2 + 1

    @property
    def lanes(self) -> int:
        """Lanes, which are the partitions of every keyed topic."""
        return self.settings.kafka.lanes

    # NATS -----------------------------------------------------------------------

    @property
    def subject(self) -> str:
        """Base subject of what meters publish."""
        settings = self.settings
        return settings.nats.subject or f"{settings.namespace}.voltage.raw"

    @property
    def stream(self) -> str:
        """Name of the JetStream stream of raw messages."""
        return f"{self.settings.namespace.upper()}_RAW"

    @property
    def lane_subject(self) -> str:
        """First tokens under which the stream stores readings: `<this>.<lane>.…`."""
        return f"{self.settings.namespace}.lane"

    def published_subject(self, stored: str) -> str:
        """Return the subject on which a message was published, given the stored one.

        >>> from app.settings import Settings
        >>> Topology(Settings()).published_subject("smartmeter.lane.3.11.2.71")
        'smartmeter.voltage.raw.data.11.2.71'
        """
        rest = stored.removeprefix(f"{self.lane_subject}.")
        if rest == stored:
            return stored
        return f"{self.subject}.data.{rest.partition('.')[2]}"

    @property
    def weather_subject(self) -> str:
        """First tokens under which the stream stores temperatures and forecasts."""
        return self.subject

    @property
    def simulator_bucket(self) -> str:
        """NATS bucket in which simulators keep how far simulated time has come."""
        return f"{self.settings.namespace}_simulator"

    @property
    def bridge_bucket(self) -> str:
        """NATS bucket in which bridges agree on who carries which lane."""
        return f"{self.settings.namespace}_bridge"

    @property
    def maxima_subject(self) -> str:
        """Subject of the fleet's maximum per epoch, going out."""
        return f"{self.settings.namespace}.voltage.extract.max"

    @property
    def temperature_subject(self) -> str:
        """Subject of the temperature per epoch, going out."""
        return f"{self.settings.namespace}.extract.temperature"

    @property
    def alert_subject(self) -> str:
        """Base subject of alerts, going out: `<this>.<line>.<transformer>.<meter>`."""
        return f"{self.settings.namespace}.voltage.extract.alert"

    @property
    def prediction_subject(self) -> str:
        """Base subject of positive predictions, going out: `<this>.<hours>`."""
        return f"{self.settings.namespace}.voltage.extract.prediction"

    @property
    def results_stream(self) -> str:
        """Name of the JetStream stream of results."""
        return f"{self.settings.namespace.upper()}_RESULTS"

    @property
    def results_subjects(self) -> list[str]:
        """Subjects that the stream of results takes."""
        namespace = self.settings.namespace
        return [f"{namespace}.voltage.extract.>", f"{namespace}.extract.>"]

    # Kafka ----------------------------------------------------------------------

    @cached_property
    def readings(self) -> Topic:
        """Frames of readings."""
        return self._topic(
            "readings", self.lanes, "frames of readings, partition = lane"
        )

    @cached_property
    def weather(self) -> Topic:
        """Temperatures and forecasts, copied into every partition."""
        return self._topic(
            "weather", self.lanes, "temperatures and forecasts, in every partition"
        )

    @cached_property
    def windows(self) -> Topic:
        """Closed windows, as columns."""
        return self._topic("windows", self.lanes, "closed windows, partition = lane")

    @cached_property
    def alerts(self) -> Topic:
        """What happens to alerts."""
        return self._topic(
            "alerts", self.lanes, "alerts raised, acknowledged and cleared"
        )

    @cached_property
    def alert_commands(self) -> Topic:
        """What people say to alerts."""
        return self._topic(
            "alert-commands", self.lanes, "acknowledgements of alerts, by people"
        )

    @cached_property
    def predictions(self) -> Topic:
        """Predictions, as columns."""
        return self._topic("predictions", self.lanes, "predictions, one horizon ahead")

    @cached_property
    def model_versions(self) -> Topic:
        """Versions of the forecasting models, once a simulated day."""
        return self._topic(
            "model-versions", self.lanes, "versions of the models, once a day of data"
        )

    @cached_property
    def model_commands(self) -> Topic:
        """What people say to the models."""
        return self._topic(
            "model-commands", self.lanes, "returns to a version of models, by people"
        )

    @cached_property
    def late(self) -> Topic:
        """Readings whose window had closed."""
        return self._topic("late", self.lanes, "readings whose window had closed")

    @cached_property
    def partial_maxima(self) -> Topic:
        """Each lane's maximum per closed epoch."""
        return self._topic("partial-maxima", 1, "each lane's maximum per closed epoch")

    @cached_property
    def maxima(self) -> Topic:
        """The fleet's maximum per epoch, final."""
        return self._topic("maxima", 1, "the fleet's maximum per epoch")

    @cached_property
    def fleet_windows(self) -> Topic:
        """The fleet's windows, all in partition 0, where weather lies beside them."""
        return self._topic(
            "fleet-windows", self.lanes, "the fleet's windows, for its forecast"
        )

    @cached_property
    def dead_letters(self) -> Topic:
        """Messages that could not be used, with their reason."""
        return self._topic("dead-letters", 1, "messages that could not be used")

    def _journal(self, word: str, partitions: int) -> Topic:
        return Topic(
            name=f"{self.settings.namespace}.{word}-journal",
            partitions=partitions,
            retention_seconds=-1,  # truncated after each snapshot, and by nothing else
            copies_min=self._majority,
            help=f"state of the {word} table: deltas and snapshots",
        )

    @cached_property
    def windows_journal(self) -> Topic:
        """Journal of the open windows."""
        return self._journal("windows", self.lanes)

    @cached_property
    def fleet_journal(self) -> Topic:
        """Journal of the fleet's pending maxima."""
        return self._journal("fleet", 1)

    @cached_property
    def models_journal(self) -> Topic:
        """Journal of the forecasting models."""
        return self._journal("models", self.lanes)

    @cached_property
    def alerts_journal(self) -> Topic:
        """Journal of the alerts."""
        return self._journal("alerts", self.lanes)

    @property
    def topics(self) -> tuple[Topic, ...]:
        """All topics that `smartmeter topics` creates and checks."""
        return (
            self.readings,
            self.weather,
            self.windows,
            self.alerts,
            self.alert_commands,
            self.predictions,
            self.model_versions,
            self.model_commands,
            self.late,
            self.partial_maxima,
            self.maxima,
            self.fleet_windows,
            self.dead_letters,
            self.windows_journal,
            self.fleet_journal,
            self.models_journal,
            self.alerts_journal,
        )

    def lane_writer(self, lane: int) -> str:
        """Kafka's name (transactional id) of whoever writes a lane of the readings."""
        return f"{self.settings.namespace}-lane-{lane}"

    @property
    def live_group(self) -> str:
        """Consumer group and Faust id of the live stage."""
        return f"{self.settings.namespace}-live"

    @property
    def results_group(self) -> str:
        """Consumer group of the bridge's way back."""
        return f"{self.settings.namespace}-results"

    @property
    def archive_group(self) -> str:
        """Consumer group and Faust id of the archive stage."""
        return f"{self.settings.namespace}-archive"

    # Cassandra ------------------------------------------------------------------

    @property
    def keyspace(self) -> str:
        """Keyspace of all tables."""
        return self.settings.namespace
