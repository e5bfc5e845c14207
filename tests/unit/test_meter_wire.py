import math
import random
import struct

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import settings
from app.domain.readings import EXTRA_COLUMNS, KEY_MAX
from app.errors import Reason, RejectedMessage
from app.wire import frames, meter, weather
from app.wire.limits import Limits
from app.wire.meter import RawMessage, ReadingDecoder

LANE = "smartmeter.lane"
WEATHER = "smartmeter.weather"
NOW = 1_700_000_000.5
EPOCH = 1_479_537_858
SUBJECT = f"{LANE}.3.11.2.71"
BATCH_SUBJECT = f"{LANE}.3.11.2.batch"

volts = st.floats(0, 1_000, width=32)
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
keys = st.integers(1, KEY_MAX)
epochs = st.integers(1, int(NOW))


def a_message(payload, *, subject=SUBJECT, sequence=1, arrival=NOW):
    return RawMessage(subject, payload, sequence, arrival)


def a_decoder(**bounds):
    return ReadingDecoder(LANE, Limits(**bounds))


def as_json(**members):
    return orjson.dumps({"timestamp": EPOCH, "voltage": 112.25, **members})


def reasons(decoded):
    return [rejected.reason for rejected in decoded.rejected]


# Encoding ------------------------------------------------------------------------


def test_vector_of_the_original_is_encoded_byte_for_byte():
    expected = "00000000582ff4c242e075c3"
    assert expected == meter.encode_reading(EPOCH, 112.23)[:12].hex()
    assert expected == weather.encode_weather(EPOCH, 112.23).hex()
    assert 56 == len(meter.encode_reading(EPOCH, 112.23))


@given(st.lists(st.tuples(epochs, st.tuples(*[floats] * 12)), max_size=20))
def test_many_readings_are_encoded_as_one_by_one(rows):
    timestamp = np.array([row[0] for row in rows], np.int64)
    values = np.array([row[1] for row in rows], np.float32).reshape(-1, 12)
    expected = [
        meter.encode_reading(epoch, voltage, demand, others)
        for epoch, (voltage, demand, *others) in rows
    ]
    assert expected == meter.encode_readings(timestamp, values)


# Binary --------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(keys, keys, keys, epochs, volts, st.tuples(*[floats] * 11)),
        min_size=1,
        max_size=30,
    )
)
def test_binary_readings_come_back_as_columns_in_order(rows):
    messages = [
        a_message(
            meter.encode_reading(epoch, voltage, extra[0], extra[1:]),
            subject=f"{LANE}.0.{line}.{transformer}.{usagepoint}",
            sequence=sequence,
        )
        for sequence, (line, transformer, usagepoint, epoch, voltage, extra) in (
            enumerate(rows, 100)
        )
    ]

    decoded = a_decoder().decode(messages)

    readings = decoded.readings
    assert [] == decoded.rejected
    assert list(range(100, 100 + len(rows))) == readings.sequence.tolist()
    actual = zip(
        readings.line.tolist(),
        readings.transformer.tolist(),
        readings.usagepoint.tolist(),
        readings.timestamp.tolist(),
        readings.voltage.tolist(),
        zip(*(readings.extra[name].tolist() for name in EXTRA_COLUMNS), strict=True),
        strict=True,
    )
    assert rows == list(actual)


def test_columns_are_contiguous_so_that_frames_can_be_written():
    decoded = a_decoder().decode([a_message(meter.encode_reading(EPOCH, 117.5))] * 3)
    frame = frames.Frame(
        lane=3, first=1, last=1, watermark=0, readings=decoded.readings
    )
    back = frames.decode_frame(frames.encode_frame(frame), extra=True).readings
    assert [117.5] * 3 == back.voltage.tolist()
    assert set(EXTRA_COLUMNS) == set(back.extra)


def test_same_rows_whether_the_subjects_were_seen_before_or_not():
    decoder = a_decoder()
    messages = [a_message(meter.encode_reading(EPOCH, 117.5))] * 3
    first, second = decoder.decode(messages), decoder.decode(messages)
    assert first.readings.usagepoint.tolist() == second.readings.usagepoint.tolist()
    assert 3 == len(second.readings)


def test_known_subjects_are_kept_in_bounded_number(monkeypatch):
    monkeypatch.setattr(meter, "KEYS_CACHED_MAX", 10)
    decoder = a_decoder()
    payload = meter.encode_reading(EPOCH, 117.5)
    for number in range(1, 36):
        decoder.decode([a_message(payload, subject=f"{LANE}.0.1.1.{number}")])
    assert 5 == len(decoder._numbers)


@pytest.mark.parametrize(
    ("reason", "payload"),
    [
        (Reason.EMPTY, b""),
        (Reason.LENGTH, b"\0" * 55),
        (Reason.LENGTH, b"\0" * 57),
        (Reason.LENGTH, b"\xff\xfe"),
        (Reason.OVERSIZED, b"\0" * 2_001),
        (Reason.NOT_A_NUMBER, meter.encode_reading(EPOCH, math.nan)),
        (Reason.NOT_A_NUMBER, meter.encode_reading(EPOCH, math.inf)),
        (Reason.NOT_A_NUMBER, meter.encode_reading(EPOCH, 117.5, -math.inf)),
        (
            Reason.NOT_A_NUMBER,
            meter.encode_reading(EPOCH, 117.5)[:-4] + b"\x7f\xa0\0\0",  # signalling
        ),
        (Reason.VOLTAGE_RANGE, meter.encode_reading(EPOCH, -0.5)),
        (Reason.VOLTAGE_RANGE, meter.encode_reading(EPOCH, 1_000.5)),
        (Reason.TIME_RANGE, meter.encode_reading(0, 117.5)),
        (Reason.TIME_RANGE, meter.encode_reading(-1, 117.5)),
        (Reason.TIME_RANGE, meter.encode_reading(EPOCH * 1_000, 117.5)),
        (Reason.TIME_RANGE, meter.encode_reading(2**63 - 1, 117.5)),
        (Reason.FUTURE, meter.encode_reading(int(NOW) + 301, 117.5)),
        (Reason.ENCODING, b'{"timestamp": 1, "voltage": 1, "note": "\xff"}'),
        (Reason.JSON, b"{"),
        (Reason.JSON, b"{}"),
        (Reason.JSON, b'{"timestamp": 1, "voltage": NaN}'),
        (Reason.JSON, b'{"timestamp": 1}'),
        (Reason.JSON, b'[{"usagepoint": 1, "timestamp": 1, "voltage": 1}]'),
        (Reason.JSON, as_json(timestamp=True)),
        (Reason.JSON, as_json(timestamp=1.5)),
        (Reason.JSON, as_json(timestamp=None)),
        (Reason.JSON, as_json(timestamp="2016-11-19T06:44:18")),
        (Reason.JSON, as_json(timestamp="2016-11-19T06:44:18.5Z")),
        (Reason.JSON, as_json(timestamp="2016-02-30T06:44:18Z")),
        (Reason.JSON, as_json(timestamp="2016-W46-6T06:44:18Z")),
        (Reason.NOT_A_NUMBER, as_json(voltage=None)),
        (Reason.NOT_A_NUMBER, as_json(voltage=True)),
        (Reason.NOT_A_NUMBER, as_json(voltage="117.5")),
        (Reason.NOT_A_NUMBER, as_json(demand=[1])),
        (Reason.NOT_A_NUMBER, as_json(val12=1e39)),
        (Reason.VOLTAGE_RANGE, as_json(voltage=1_000.5)),
        (Reason.TIME_RANGE, as_json(timestamp=EPOCH * 1_000)),
        (Reason.FUTURE, as_json(timestamp=int(NOW) + 301)),
        (Reason.FUTURE, as_json(timestamp="2999-01-01T00:00:00Z")),
        (Reason.VERSION, as_json(v=2)),
        (Reason.VERSION, as_json(v=True)),
        (Reason.KEY, as_json(usagepoint=72)),
    ],
)
@pytest.mark.parametrize("seen", [False, True])
def test_bad_payload_is_rejected_with_its_reason_and_its_neighbours_are_kept(
    reason, payload, seen
):
    decoder = a_decoder(message_bytes_max=2_000)
    good = meter.encode_reading(EPOCH, 117.5)
    messages = [
        a_message(good, sequence=7),
        a_message(payload, sequence=8),
        a_message(good, sequence=9),
    ]
    if seen:
        decoder.decode(messages[:1])

    decoded = decoder.decode(messages)

    assert [reason] == reasons(decoded)
    assert messages[1] == decoded.rejected[0].message
    assert decoded.rejected[0].detail
    assert [7, 9] == decoded.readings.sequence.tolist()


@pytest.mark.parametrize(
    ("reason", "subject"),
    [
        (Reason.SUBJECT, ""),
        (Reason.SUBJECT, LANE),
        (Reason.SUBJECT, f"{LANE}.3.11.2"),
        (Reason.SUBJECT, f"{LANE}.3.11.2.71.1"),
        (Reason.SUBJECT, "other.lane.3.11.2.71"),
        (Reason.SUBJECT, "smartmeter.voltage.raw.data.11.2"),
        (Reason.KEY, f"{LANE}.3.0.2.71"),
        (Reason.KEY, f"{LANE}.3.-1.2.71"),
        (Reason.KEY, f"{LANE}.3.+1.2.71"),
        (Reason.KEY, f"{LANE}.3.11.02.71"),
        (Reason.KEY, f"{LANE}.3.11. 2.71"),
        (Reason.KEY, f"{LANE}.3.11.１.71"),  # noqa: RUF001 a full-width digit
        (Reason.KEY, f"{LANE}.3.11.².71"),
        (Reason.KEY, f"{LANE}.3.11..71"),
        (Reason.KEY, f"{LANE}.3.11.1e3.71"),
        (Reason.KEY, f"{LANE}.3.11.2.{KEY_MAX + 1}"),
        (Reason.KEY, f"{LANE}.3.11.2.{'9' * 5_000}"),
        (Reason.KEY, f"{LANE}.3.batch.2.71"),
        (Reason.KEY, f"{LANE}.3.11.2.Batch"),
    ],
)
def test_bad_subject_is_rejected_with_its_reason(reason, subject):
    payload = meter.encode_reading(EPOCH, 117.5)
    decoded = a_decoder().decode([a_message(payload, subject=subject)])
    assert ([reason], 0) == (reasons(decoded), len(decoded.readings))
    assert len(decoded.rejected[0].detail) < 200


def test_reading_may_come_as_late_after_its_arrival_as_clocks_may_differ():
    payload = meter.encode_reading(1_000, 117.5)
    decoder = a_decoder(clock_skew_seconds_max=60)
    messages = [a_message(payload, arrival=at) for at in (940.0, 939.9)]
    decoded = decoder.decode(messages)
    assert (1, [Reason.FUTURE]) == (len(decoded.readings), reasons(decoded))


def test_binary_payload_on_the_subject_of_batches_is_rejected():
    decoder = a_decoder()
    for _ in range(2):  # unseen, then seen
        payload = meter.encode_reading(EPOCH, 117.5)
        decoded = decoder.decode([a_message(payload, subject=BATCH_SUBJECT)])
        assert ([Reason.JSON], 0) == (reasons(decoded), len(decoded.readings))


# JSON ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "timestamp",
    [
        EPOCH,
        float(EPOCH),
        "2016-11-19T06:44:18Z",
        "2016-11-19t06:44:18.000z",
        "2016-11-19 07:44:18+01:00",
    ],
)
def test_json_reading_says_its_time_in_seconds_or_as_rfc_3339(timestamp):
    readings = a_decoder().decode([a_message(as_json(timestamp=timestamp))]).readings
    assert [EPOCH] == readings.timestamp.tolist()
    assert [112.25] == readings.voltage.tolist()
    assert [71] == readings.usagepoint.tolist()


def test_json_object_of_56_bytes_is_json():
    payload = as_json(pad="")
    payload = as_json(pad="x" * (56 - len(payload)))
    decoder = a_decoder()
    for _ in range(2):  # unseen, then seen
        readings = decoder.decode([a_message(payload)]).readings
        assert (56, [EPOCH]) == (len(payload), readings.timestamp.tolist())


def test_what_json_leaves_out_is_null_in_the_frame_and_nan_in_the_columns():
    payload = as_json(demand=None, val3=3.5, v=1)
    readings = a_decoder().decode([a_message(payload)]).readings
    frame = frames.Frame(lane=3, first=1, last=1, watermark=0, readings=readings)
    value = frames.encode_frame(frame)
    assert [[None], [3.5], [None]] == [
        orjson.loads(value)[name] for name in ("demand", "val3", "val4")
    ]
    extra = frames.decode_frame(value, extra=True).readings.extra
    assert np.isnan([extra["demand"][0], extra["val4"][0]]).all()
    assert [3.5] == extra["val3"].tolist()


def test_batch_keeps_good_entries_and_gives_each_bad_one_as_a_batch_of_its_own():
    good = {"usagepoint": 7, "timestamp": EPOCH, "voltage": 117.5}
    bad = [
        (Reason.KEY, {**good, "usagepoint": 0}),
        (Reason.KEY, {**good, "usagepoint": "7"}),
        (Reason.KEY, {"timestamp": EPOCH, "voltage": 117.5}),
        (Reason.VOLTAGE_RANGE, {**good, "voltage": -1}),
        (Reason.JSON, 7),
        (Reason.FUTURE, {**good, "timestamp": 10**10}),
    ]
    payload = orjson.dumps([good, *[entry for _, entry in bad], good])
    message = a_message(payload, subject=BATCH_SUBJECT, sequence=41)

    decoded = a_decoder().decode([message])

    assert [41, 41] == decoded.readings.sequence.tolist()
    assert [reason for reason, _ in bad] == reasons(decoded)
    for (_, entry), rejected in zip(bad, decoded.rejected, strict=True):
        again = rejected.message
        assert (BATCH_SUBJECT, 41, NOW) == (
            again.subject,
            again.sequence,
            again.arrival,
        )
        assert [entry] == orjson.loads(again.payload)


@pytest.mark.parametrize(
    ("reason", "payload"),
    [
        (Reason.EMPTY, b"[]"),
        (Reason.JSON, as_json()),
        (Reason.JSON, b"[1,"),
        (Reason.JSON, b"[" + b"[" * 300 + b"]" * 300 + b"]"),
        (Reason.JSON, b"[" * 100_000),
        (Reason.OVERSIZED, b"[" + b"0," * 500 + b"0]"),
    ],
)
def test_batch_that_is_none_is_rejected_as_a_whole(reason, payload):
    message = a_message(payload, subject=BATCH_SUBJECT)
    decoded = a_decoder().decode([message])
    assert [(message, reason)] == [each[:2] for each in decoded.rejected]
    assert 0 == len(decoded.readings)


def test_mixed_messages_give_rows_in_the_order_of_the_stream():
    binary = meter.encode_reading(EPOCH, 100.0)
    batch = orjson.dumps(
        [
            {"usagepoint": number, "timestamp": EPOCH, "voltage": 100 + number}
            for number in (1, 2, 3)
        ]
    )
    decoded = a_decoder().decode(
        [
            a_message(as_json(voltage=104), sequence=1),
            a_message(binary, sequence=2),
            a_message(batch, subject=BATCH_SUBJECT, sequence=3),
            a_message(b"", sequence=4),
            a_message(binary, sequence=6),
        ]
    )
    assert [1, 2, 3, 3, 3, 6] == decoded.readings.sequence.tolist()
    assert [104, 100, 101, 102, 103, 100] == decoded.readings.voltage.tolist()
    assert [4] == [rejected.message.sequence for rejected in decoded.rejected]


def test_nothing_decodes_to_no_rows():
    decoded = a_decoder().decode([])
    assert (0, []) == (len(decoded.readings), decoded.rejected)
    assert set(EXTRA_COLUMNS) == set(decoded.readings.extra)


def test_limits_follow_the_settings():
    loaded = settings.load(
        {
            "SMARTMETER_BRIDGE__VOLTAGE_VOLTS_MAX": "300",
            "SMARTMETER_BRIDGE__CLOCK_SKEW_SECONDS_MAX": "5",
            "SMARTMETER_NATS__MESSAGE_BYTES_MAX": "4096",
        }
    )
    expected = Limits(
        voltage_volts_max=300, clock_skew_seconds_max=5, message_bytes_max=4096
    )
    assert expected == Limits.from_settings(loaded)


# Weather -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tail", "kind", "hours"),
    [("temperature", "temperature", 0), ("forecast.12", "forecast", 12)],
)
def test_weather_comes_back_from_bytes_and_from_json(tail, kind, hours):
    for payload in (
        weather.encode_weather(EPOCH, -3.25),
        orjson.dumps({"timestamp": EPOCH, "temperature": -3.25}),
    ):
        message = a_message(payload, subject=f"{WEATHER}.{tail}", sequence=5)
        expected = weather.Weather(
            kind=kind, epoch=EPOCH, celsius=-3.25, hours=hours, sequence=5
        )
        assert expected == weather.decode_weather(message, WEATHER, Limits())


def test_forecast_may_speak_of_its_hours_ahead_and_no_further():
    def decode(tail, epoch):
        message = a_message(
            weather.encode_weather(epoch, 5.0),
            subject=f"{WEATHER}.{tail}",
            arrival=1_000_000.0,
        )
        return weather.decode_weather(message, WEATHER, Limits())

    assert 1_043_200 == decode("forecast.12", 1_043_200).epoch
    for tail, epoch in (("forecast.12", 1_043_501), ("temperature", 1_000_301)):
        with pytest.raises(RejectedMessage) as caught:
            decode(tail, epoch)
        assert Reason.FUTURE == caught.value.reason


@pytest.mark.parametrize(
    ("reason", "tail", "payload"),
    [
        (Reason.SUBJECT, "", weather.encode_weather(EPOCH, 1)),
        (Reason.SUBJECT, "humidity", weather.encode_weather(EPOCH, 1)),
        (Reason.SUBJECT, "temperature.1", weather.encode_weather(EPOCH, 1)),
        (Reason.SUBJECT, "forecast", weather.encode_weather(EPOCH, 1)),
        (Reason.SUBJECT, "forecast.0", weather.encode_weather(EPOCH, 1)),
        (Reason.SUBJECT, "forecast.012", weather.encode_weather(EPOCH, 1)),
        (Reason.SUBJECT, "forecast.1000", weather.encode_weather(EPOCH, 1)),
        (Reason.EMPTY, "temperature", b""),
        (Reason.LENGTH, "temperature", b"\0" * 56),
        (Reason.OVERSIZED, "temperature", b"\0" * (2**20 + 1)),
        (Reason.NOT_A_NUMBER, "temperature", weather.encode_weather(EPOCH, math.nan)),
        (Reason.TEMPERATURE_RANGE, "temperature", weather.encode_weather(EPOCH, 101)),
        (Reason.TIME_RANGE, "temperature", weather.encode_weather(0, 1)),
        (Reason.ENCODING, "temperature", b"{\xff"),
        (Reason.JSON, "temperature", b"[]"),
        (Reason.JSON, "temperature", b'{"timestamp": 1}'),
        (Reason.VERSION, "temperature", b'{"timestamp": 1, "temperature": 1, "v": 0}'),
    ],
)
def test_bad_weather_is_rejected_with_its_reason(reason, tail, payload):
    message = a_message(payload, subject=f"{WEATHER}.{tail}")
    with pytest.raises(RejectedMessage) as caught:
        weather.decode_weather(message, WEATHER, Limits())
    assert reason == caught.value.reason


# Anything ------------------------------------------------------------------------

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([EPOCH, 117.5, "2016-11-19T06:44:18Z"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["timestamp", "voltage", "usagepoint", "demand", "v"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([SUBJECT, BATCH_SUBJECT]) | st.text(max_size=40),
            json_values.map(orjson.dumps)
            | st.binary(min_size=56, max_size=56)
            | st.binary(max_size=60),
        ),
        max_size=12,
    )
)
def test_whatever_arrives_is_accounted_for(arrivals):
    messages = [
        a_message(payload, subject=subject, sequence=sequence)
        for sequence, (subject, payload) in enumerate(arrivals)
    ]
    decoded = a_decoder().decode(messages)
    rows = decoded.readings.sequence.tolist()
    rejected = [each.message.sequence for each in decoded.rejected]
    assert set(range(len(messages))) == set(rows) | set(rejected)
    assert (sorted(rows), sorted(rejected)) == (rows, rejected)


def mutated(source):
    """Return a plausible message with some bytes changed, cut or added."""
    good = source.choice(
        [
            meter.encode_reading(EPOCH, source.uniform(100, 130)),
            as_json(usagepoint=71),
            b"[" + as_json(usagepoint=3) + b"," + as_json() + b"]",
        ]
    )
    payload = bytearray(good)
    for _ in range(source.choice([0, 0, 1, 2, 8])):
        at = source.randrange(len(payload))
        payload[at] = source.choice([0, 0x7F, 0xFF, 0x22, source.randrange(256)])
    if source.random() < 0.1:
        del payload[source.randrange(len(payload)) :]
    tokens = SUBJECT.split(".") if source.random() < 0.7 else BATCH_SUBJECT.split(".")
    if source.random() < 0.1:
        tokens[source.randrange(len(tokens))] = source.choice(["", "0", "x", "9" * 20])
    return ".".join(tokens), bytes(payload)


def test_hundred_thousand_damaged_messages_are_each_rows_or_rejections():
    source = random.Random(20_161_119)
    decoder = a_decoder()
    total = 0
    seen: set[Reason] = set()
    while total < 120_000:
        messages = [
            RawMessage(*mutated(source), sequence, NOW) for sequence in range(500)
        ]
        decoded = decoder.decode(messages)
        rows = set(decoded.readings.sequence.tolist())
        rejected = {each.message.sequence for each in decoded.rejected}
        assert set(range(500)) == rows | rejected
        assert np.isfinite(decoded.readings.voltage).all()
        total += len(messages)
        seen.update(reasons(decoded))
    assert len(seen) >= 9


def test_random_bytes_of_a_readings_length_never_raise():
    source = random.Random(3)
    decoder = a_decoder()
    payloads = [source.randbytes(56) for _ in range(2_000)]
    payloads += [struct.pack(">q", EPOCH) + source.randbytes(48) for _ in range(2_000)]
    decoded = decoder.decode([a_message(payload) for payload in payloads])
    assert 4_000 == len(decoded.readings) + len(decoded.rejected)
