import orjson
import pytest
from click.testing import CliRunner

from app.cli.evaluate import command
from app.errors import SettingsError

SMALL = ["--rate", "10", "--warm-up", "10", "--labels", "200"]


def run(*words):
    return CliRunner().invoke(command, [*SMALL, *words], catch_exceptions=False).output


def test_examples_are_shown_as_the_original_did_and_scores_beside_baselines():
    lines = run("--examples", "2").splitlines()
    assert lines[0] == lines[2] == lines[5]
    heading = "|label|   voltage|hour|   hourSin|   hourCos|dayOfWeek|temperature|"
    assert lines[1].startswith(heading)
    label, voltage, *_ = lines[3].strip("|").split("|")
    assert float(voltage) > 116 if int(label) else float(voltage) <= 116
    models = next(line for line in lines if "published" in line)
    assert "direct same as now persistence climatology" in " ".join(models.split())
    assert any(line.startswith("200 labels scored") for line in lines)


def test_same_words_give_the_same_scores_and_json_is_one_line():
    first, second = (orjson.loads(run("--json")) for _ in range(2))
    for report in (first, second):
        report.pop("microseconds_per_label")
    assert first == second
    assert 200 == first["labels"]
    assert {"accuracy", "log_loss", "roc_auc"} <= first["published"].keys()


def test_too_long_a_warm_up_is_told():
    words = ["--source", "household", "--size", "43200", "--warm-up", "9000"]
    with pytest.raises(SettingsError, match="no label was scored"):
        run(*words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "1000"], "multiples of 900 s"),
        (["--source", "household", "--size", "90"], "whole minutes"),
    ],
)
def test_window_that_the_source_cannot_fill_is_refused(words, message):
    with pytest.raises(SettingsError, match=message):
        run(*words)
