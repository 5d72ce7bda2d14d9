"""The run folder states what decides: it holds when nothing is given, and audit and page go by it."""

import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coherence import Gate
from coherence.cli.main import main
from coherence.run.monitor import Monitor
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.profile import Curve, Profile
from coherence.show.page.follow import Run
from coherence.signals.settings import DEFAULTS, from_json, lexicon_label, profile_label

LOW = "Budy Budy Budy Budy Budy Budy Budy Budy Budy Budy"
FINE = "The cat sat by the door and waited for the rain to stop."
HALF = "once there was a dog once there was a dog and then it ran away from the house"

LEXICON = Lexicon(["budy"], "toy")
_usual = Profile.load()
PROFILE = Profile(
    "toy",
    "test",
    1,
    "2026-01-01",
    _usual.english_share,
    {scale: Curve([(1, 1), (100, 99), (10_000, 9_000)]) for scale in _usual.curves},
)


def history(folder: Path) -> list[dict[str, Any]]:
    values = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    assert values["format"] == 1
    entries: list[dict[str, Any]] = values["history"]
    return entries


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def train(monitor: Monitor, steps: range, texts: str = "FFHLHLFLLH") -> None:
    """A loss at each step and a sample at every second, written as letters."""
    letters = {"F": FINE, "L": LOW, "H": HALF}
    for step in steps:
        monitor.loss(step, 9 - step / 50)
        if step % 2 == 0:
            monitor.sample(step, letters[texts[step // 2 % len(texts)]])


def audit(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """The exit status and the report; the notes of people are among it."""
    capsys.readouterr()
    status = main(["audit", *map(str, arguments), "--json", "-"])
    return status, json.loads(capsys.readouterr().out)


def said_live(monitor: Monitor) -> dict[str, Any]:
    place, loss = monitor.signals.place, monitor.signals.loss
    return {
        "halt": monitor.gate.halted,
        "halt_reason": monitor.gate.halt_reason,
        "diagnosis": monitor.diagnosis._asdict(),
        "resume_from": place.step,
        "resume_reason": place.reason,
        "smma": loss.smma,
        "smoothed": loss.smoothed,
        "uniform_baseline": loss.uniform_baseline,
        "settings": monitor.settings.named(),
    }


def said_by(report: dict[str, Any]) -> dict[str, Any]:
    names = ("halt", "halt_reason", "diagnosis", "resume_from", "resume_reason")
    of_loss = {name: report["loss"][name] for name in ("smma", "smoothed", "uniform_baseline")}
    settings = {name: value for name, value in report["settings"].items() if name != "version"}
    return {name: report[name] for name in names} | of_loss | {"settings": settings}


def page(folder: Path) -> dict[str, Any]:
    run = Run(folder)
    run.read()
    report: dict[str, Any] = run.news(0, -1)["report"]
    return report


def told(rows: Iterable[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Of samples what was judged, by a monitor or by an audit."""
    return [(row["step"], row["low"], row["streak"], *row["scores"].values()) for row in rows]


def verdicts(folder: Path) -> list[tuple[Any, ...]]:
    return told(map(json.loads, (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()))


# What stands there


def test_a_new_folder_states_the_usual_settings_before_the_first_step(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        (entry,) = history(tmp_path)
        assert monitor.settings == DEFAULTS
    assert {name: entry[name] for name in DEFAULTS.named()} == DEFAULTS.named()
    assert (entry["step"], entry["time"] > 1.7e9) == (None, True)
    assert (entry["lexicon"], entry["profile"]) == (lexicon_label(None), profile_label(None))


def test_what_is_given_stands_there_by_value(tmp_path: Path) -> None:
    gate = Gate(threshold=40, patience=3, window=8, warmup=20, observe_only=True)
    Monitor(tmp_path, 8449, gate, window=7, lexicon=LEXICON, profile=PROFILE).close()
    (entry,) = history(tmp_path)
    expected = {"threshold": 40, "patience": 3, "window": 8, "warmup": 20, "observe": True, "smma_window": 7}
    assert {name: entry[name] for name in expected} == expected
    assert entry["vocab_size"] == 8449
    (found,) = from_json(json.loads((tmp_path / "settings.json").read_text(encoding="utf-8")))
    assert found.settings.lexicon is not None
    assert found.settings.profile is not None
    assert (found.settings.lexicon.words, found.settings.lexicon.name) == (LEXICON.words, "toy")
    assert found.settings.profile.to_json() == PROFILE.to_json()


def test_a_run_that_goes_on_as_it_was_states_its_settings_once(tmp_path: Path) -> None:
    for first in (0, 20, 40):
        with Monitor(tmp_path, vocab_size=50, gate=Gate(patience=9)) as monitor:
            train(monitor, range(first, first + 20), "F")
    assert len(history(tmp_path)) == 1


# Opened again

GIVEN: dict[str, tuple[dict[str, Any], str]] = {
    "threshold": ({"gate": Gate(threshold=60.0)}, "threshold 30 → 60"),
    "patience": ({"gate": Gate(patience=2)}, "patience 5 → 2"),
    "window": ({"gate": Gate(patience=3, window=8)}, "patience 5 → 3, window none → 8"),
    "warmup": ({"gate": Gate(warmup=30)}, "warmup 0 → 30"),
    "observe": ({"gate": Gate(observe_only=True)}, "observe False → True"),
    "smma window": ({"window": 5}, "smma window 100 → 5"),
    "vocabulary": ({"vocab_size": 8449}, "vocab size none → 8449"),
    "lexicon": ({"lexicon": LEXICON}, f"lexicon {lexicon_label(None)} → {lexicon_label(LEXICON)}"),
    "profile": ({"profile": PROFILE}, f"profile {profile_label(None)} → {profile_label(PROFILE)}"),
}
each_setting = pytest.mark.parametrize("name", GIVEN)


@pytest.mark.slow
@each_setting
def test_a_folder_that_is_opened_without_anything_goes_on_with_what_it_states(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    given, _ = GIVEN[name]

    def run(folder: Path, again: dict[str, Any]) -> dict[str, Any]:
        with Monitor(folder, **given) as monitor:
            train(monitor, range(20), "FFHF")
        with Monitor(folder, **again) as monitor:
            train(monitor, range(20, 40))
            return said_live(monitor)

    said = run(tmp_path / "without", {})
    assert said == run(tmp_path / "with", given)
    assert [each for each in warnings_in(caplog) if "settings" in each] == []
    assert verdicts(tmp_path / "without") == verdicts(tmp_path / "with")
    assert len(history(tmp_path / "without")) == 1
    assert said_by(audit(capsys, tmp_path / "without")[1]) == said == said_by(page(tmp_path / "without"))


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("name", GIVEN)
def test_what_is_given_otherwise_is_said_once_recorded_and_decides_from_then_on_for_everybody(
    tmp_path: Path,
    name: str,
    killed: bool,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given, words = GIVEN[name]
    with Monitor(tmp_path) as monitor:
        train(monitor, range(20), "FFHLLHLL")
        before = said_live(monitor)
    assert said_by(audit(capsys, tmp_path)[1]) == before == said_by(page(tmp_path))
    with Monitor(tmp_path, **given) as monitor:
        (message,) = warnings_in(caplog)
        assert message == f"{tmp_path}: continues with other settings: {words}"
        train(monitor, range(20, 40))
        after = said_live(monitor)
    first, second = history(tmp_path)
    assert (first["step"], second["step"]) == (None, 19)
    assert first["time"] < second["time"]
    if killed:
        (tmp_path / "gate.json").unlink()
    if not after["halt"] or after["settings"]["observe"]:
        with Monitor(tmp_path) as monitor:
            assert said_live(monitor) == after
    assert said_by(page(tmp_path)) == after
    status, report = audit(capsys, tmp_path)
    assert said_by(report) == after
    assert told(report["samples"]) == verdicts(tmp_path)
    assert status == (after["halt"] and not after["settings"]["observe"])


def test_a_change_is_one_more_entry_and_a_change_back_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for patience in (5, 7, 7, 5):
        with Monitor(tmp_path, gate=Gate(patience=patience)) as monitor:
            monitor.loss((monitor.last_step or 0) + 1, 3.0)
    assert [(entry["step"], entry["patience"]) for entry in history(tmp_path)] == [(None, 5), (1, 7), (3, 5)]
    assert [each.rpartition(": ")[2] for each in warnings_in(caplog)] == ["patience 5 → 7", "patience 7 → 5"]


# While it runs


def test_a_warm_up_that_is_set_after_opening_is_recorded_from_the_next_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.gate.warmup = 30  # as the adapters do, which know the number of steps later
        assert monitor.settings.warmup == 30
        train(monitor, range(28), "L")
        assert (monitor.gate.streak, monitor.gate.halted) == (0, False)
        assert [entry["warmup"] for entry in history(tmp_path)] == [0, 30]
        assert history(tmp_path)[1]["step"] is None
        said = said_live(monitor)
    assert warnings_in(caplog) == []
    status, report = audit(capsys, tmp_path)
    assert (status, said_by(report)) == (0, said)
    assert said_by(page(tmp_path)) == said
    with Monitor(tmp_path) as monitor:
        assert monitor.gate.warmup == 30


@pytest.mark.slow
@pytest.mark.parametrize("attribute", ["threshold", "patience", "window", "warmup", "observe_only"])
def test_whatever_of_the_gate_is_set_in_the_middle_of_a_run_holds_from_then_on_for_everybody(
    tmp_path: Path, attribute: str, capsys: pytest.CaptureFixture[str]
) -> None:
    value = {"threshold": 60.0, "patience": 9, "window": 9, "warmup": 36, "observe_only": True}[attribute]
    with Monitor(tmp_path) as monitor:
        train(monitor, range(20), "FHLLL")
        setattr(monitor.gate, attribute, value)
        train(monitor, range(20, 40), "HLHLL")
        said = said_live(monitor)
        assert len(history(tmp_path)) == 2
    assert said_by(audit(capsys, tmp_path)[1]) == said == said_by(page(tmp_path))


def test_a_page_that_is_open_while_the_settings_change_shows_the_new_ones(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with Monitor(tmp_path, gate=Gate(patience=9)) as monitor:
        train(monitor, range(10), "FL")
        run.read()
        assert run.news(0, -1)["report"]["settings"]["patience"] == 9
        monitor.gate.patience = 3
        monitor.gate.warmup = 12
        train(monitor, range(10, 40), "LLF")
        run.read()
        found = run.news(0, -1)["report"]
        assert said_by(found) == said_live(monitor) == said_by(page(tmp_path))
        assert (found["settings"]["patience"], found["settings"]["warmup"]) == (3, 12)


NOT_PLAIN: dict[str, Callable[[Gate], object]] = {
    "numpy's whole number": lambda gate: setattr(gate, "warmup", np.int64(20)),
    "numpy's small float": lambda gate: setattr(gate, "threshold", np.float32(40)),
    "a share of the steps": lambda gate: setattr(gate, "warmup", 0.03 * 1250),
}


@pytest.mark.parametrize("change", NOT_PLAIN.values(), ids=NOT_PLAIN.keys())
@pytest.mark.parametrize("when", ["before", "after"])
def test_numbers_of_whatever_kind_are_settings_and_can_be_audited(
    tmp_path: Path, change: Callable[[Gate], object], when: str
) -> None:
    gate = Gate()
    if when == "before":
        change(gate)
    with Monitor(tmp_path, gate=gate) as monitor:
        if when == "after":
            change(gate)
        train(monitor, range(10), "F")
        assert monitor.recording
    assert main(["audit", str(tmp_path)]) == 0


@pytest.mark.parametrize("warmup", [float("inf"), float("nan"), "soon"], ids=str)
def test_a_warm_up_that_is_no_number_of_steps_is_refused_when_the_run_is_opened(
    tmp_path: Path, warmup: Any
) -> None:
    gate = Gate()
    gate.warmup = warmup
    with pytest.raises(ValueError, match="warmup"):
        Monitor(tmp_path, gate=gate)


def test_a_vocabulary_that_numpy_counted_is_a_setting(tmp_path: Path) -> None:
    counted: Any = np.int64(8449)
    Monitor(tmp_path, vocab_size=counted).close()


def test_a_gate_that_is_set_out_of_range_in_the_middle_of_a_run_leaves_a_folder_that_can_be_read(
    tmp_path: Path,
) -> None:
    with Monitor(tmp_path, gate=Gate(patience=5, window=6)) as monitor:
        train(monitor, range(1, 10), "F")
        monitor.gate.patience = 7  # more than the window: the constructor would have refused it
        train(monitor, range(10, 20), "F")
    assert page(tmp_path)["last_step"] == 19
    assert main(["audit", str(tmp_path)]) == 0
    Monitor(tmp_path).close()


# Where loop, audit and page could part

TWINS = tuple(f"Number {n} of many goes home by another road and meets nobody at all." for n in range(6))


def agreed(capsys: pytest.CaptureFixture[str], folder: Path, monitor: Monitor) -> dict[str, Any]:
    said = said_live(monitor)
    assert said_by(page(folder)) == said
    assert said_by(audit(capsys, folder)[1]) == said
    return said


@pytest.mark.slow
def test_of_a_step_with_very_many_samples_all_compare_the_same_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Monitor(tmp_path) as monitor:
        for step in range(1, 5):
            monitor.loss(step, 9.0 - step)
            monitor.sample(step, [*[FINE] * 64, *(f"{word} {TWINS[step]}" for word in DISTINCT)])
        assert monitor.signals.samples.alike
        agreed(capsys, tmp_path, monitor)


DISTINCT = [f"{a}{b}{c}" for a in "bdfglmnp" for b in "aeiou" for c in "kmrstx"]


@pytest.mark.slow
@pytest.mark.parametrize("again", [[FINE] * 4, TWINS[::-1]], ids=["alike", "as before"])
def test_a_step_that_is_drawn_anew_after_opening_is_compared_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], again: list[str]
) -> None:
    for turn in range(4):
        with Monitor(tmp_path) as monitor:
            monitor.loss(turn, 9.0 - turn)
            monitor.sample(1, TWINS)
            agreed(capsys, tmp_path, monitor)
        with Monitor(tmp_path) as monitor:
            monitor.sample(1, again)
            agreed(capsys, tmp_path, monitor)


def test_a_restart_takes_away_the_step_to_go_back_to_and_a_halt_keeps_what_it_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Monitor(tmp_path, window=1) as monitor:
        for step in range(1, 10):
            monitor.loss(step, 9.0 - step / 2)
            monitor.sample(step, FINE)
        assert agreed(capsys, tmp_path, monitor)["resume_from"] == 9
        monitor.note("restart", 4)
        monitor.loss(4, 9.0)
        assert agreed(capsys, tmp_path, monitor)["resume_from"] == 3
        monitor.sample(4, [LOW] * 5)
        halted = agreed(capsys, tmp_path, monitor)
        assert (halted["halt"], halted["resume_from"]) == (True, 3)
        for step in range(5, 30):
            monitor.loss(step, 1.0)
            monitor.sample(step, FINE)
        monitor.note("restart", 2)
        assert {**agreed(capsys, tmp_path, monitor), "smma": 0, "smoothed": 0} == {
            **halted,
            "smma": 0,
            "smoothed": 0,
        }


# What the audit makes of it


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that is halted with a patience of 3, and not with the usual one."""
    folder = tmp_path / "run"
    with Monitor(folder, vocab_size=50, gate=Gate(patience=3, warmup=4), window=7) as monitor:
        train(monitor, range(1, 20), "FFFFFFLLLF")
        assert monitor.gate.halted
    return folder


def test_the_audit_takes_the_settings_of_the_folder_and_says_so(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, report = audit(capsys, run)
    assert (status, report["halt"], report["settings"]["patience"]) == (1, True, 3)
    (note,) = [note for note in report["notes"] if "setting" in note]
    assert note == "scores and settings of the run folder: patience 3, warmup 4, smma window 7, vocab size 50"


@pytest.mark.parametrize(
    ("options", "status", "own", "chosen"),
    [
        (["--patience", "4"], 0, "warmup 4, smma window 7, vocab size 50", "patience 3 → 4"),
        (
            ["--patience", "4", "--warmup", "2"],
            0,
            "smma window 7, vocab size 50",
            "patience 3 → 4, warmup 4 → 2",
        ),
        (["--patience", "3"], 1, "warmup 4, smma window 7, vocab size 50", None),
        (["--vocab-size", "9"], 1, "patience 3, warmup 4, smma window 7", "vocab size 50 → 9"),
        (
            ["--observe"],
            0,
            "patience 3, warmup 4, smma window 7, vocab size 50",
            "observe False → True",
        ),
        (
            ["--threshold", "0.01"],
            0,
            "patience 3, warmup 4, smma window 7, vocab size 50",
            "threshold 30 → 0.01",
        ),
        (
            ["--window", "8"],
            1,
            "patience 3, warmup 4, smma window 7, vocab size 50",
            "window none → 8",
        ),
    ],
)
def test_an_option_overrules_the_folder_and_the_note_says_which(
    run: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    status: int,
    own: str,
    chosen: str | None,
) -> None:
    found, report = audit(capsys, run, *options)
    notes = [note for note in report["notes"] if "setting" in note]
    assert notes == [
        f"scores and settings of the run folder: {own}",
        *([] if chosen is None else [f"chosen instead of the run folder's settings: {chosen}"]),
    ]
    assert found == status


def test_an_option_overrules_what_the_folder_states_from_its_middle_on_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for first, patience in ((1, 5), (20, 6)):
        with Monitor(tmp_path, gate=Gate(patience=patience)) as monitor:
            train(monitor, range(first, first + 19), "FFFFFFLLLF")
    assert audit(capsys, tmp_path)[0] == 0
    status, report = audit(capsys, tmp_path, "--patience", "3")
    assert (status, report["settings"]["patience"]) == (1, 3)
    assert "3 samples in a row" in report["halt_reason"]


def test_a_profile_that_is_chosen_overrules_that_of_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Monitor(tmp_path / "run", profile=PROFILE) as monitor:
        train(monitor, range(1, 20), "F")
    (tmp_path / "usual.json").write_text(json.dumps(Profile.load().to_json()), encoding="utf-8")
    _, own = audit(capsys, tmp_path / "run")
    _, chosen = audit(capsys, tmp_path / "run", "--profile", tmp_path / "usual.json")
    assert (own["settings"]["profile"], chosen["settings"]["profile"]) == (
        profile_label(PROFILE),
        profile_label(None),
    )
    assert own["samples"][0]["scores"] != chosen["samples"][0]["scores"]


def test_a_run_that_is_only_observed_exits_with_0_though_it_was_halted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Monitor(tmp_path, gate=Gate(observe_only=True)) as monitor:
        train(monitor, range(1, 20), "L")
    status, report = audit(capsys, tmp_path)
    assert (status, report["halt"], report["settings"]["observe"]) == (0, True, True)


def test_the_page_shows_the_settings_of_the_folder(run: Path) -> None:
    found = page(run)
    assert {
        name: found["settings"][name] for name in ("patience", "warmup", "smma_window", "vocab_size")
    } == {
        "patience": 3,
        "warmup": 4,
        "smma_window": 7,
        "vocab_size": 50,
    }
    assert found["halt"]


def test_of_several_runs_each_is_judged_by_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live = {}
    for name, gate in (
        ("usual", Gate()),
        ("patient", Gate(patience=9)),
        ("strict", Gate(threshold=60.0)),
        ("young", Gate(warmup=100)),
        ("observed", Gate(observe_only=True)),
    ):
        with Monitor(tmp_path / name, gate=gate) as monitor:
            train(monitor, range(1, 32), "FFFFLLLLLLHHHHH")
            live[name] = monitor.gate.halted, monitor.diagnosis._asdict(), monitor.resume_from
    status, ranking = audit(capsys, tmp_path)
    assert {
        line["run"]: (line["halt"], line["diagnosis"], line["resume_from"]) for line in ranking["runs"]
    } == live
    assert [name for name, (halted, *_) in live.items() if halted] == ["usual", "strict", "observed"]
    assert status == 1
    assert "the settings of each run are those that its folder states" in ranking["notes"]


def test_of_several_runs_that_are_only_observed_the_exit_status_is_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, patience in (("one", 3), ("two", 4)):
        with Monitor(tmp_path / name, gate=Gate(patience=patience, observe_only=True)) as monitor:
            train(monitor, range(1, 32), "L")
    assert audit(capsys, tmp_path)[0] == 0


def test_words_that_this_version_does_not_have_are_said_in_a_note(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (run / "settings.json").read_text(encoding="utf-8")
    (run / "settings.json").write_text(
        content.replace(lexicon_label(None), "english, 12 words"), encoding="utf-8"
    )
    _, report = audit(capsys, run)
    assert "judged with lexicon english, 12 words, which this version does not have" in report["notes"]
    assert report["settings"]["patience"] == 3, "all else holds"


def test_settings_that_cannot_be_read_are_said_in_a_note_and_the_usual_ones_taken(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "settings.json").write_text("{", encoding="utf-8")
    status, report = audit(capsys, run)
    assert (status, report["settings"]["patience"]) == (0, 5)
    assert [note for note in report["notes"] if "settings.json" in note and "the usual ones" in note]
