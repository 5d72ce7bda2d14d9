"""Whatever a loop hands in, the monitor raises nothing: it counts what is unusable and sets it aside."""

import json
import logging
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coherence import Gate
from coherence.cli.main import main
from coherence.run.monitor import Monitor

LOW = "Budy Budy Budy Budy Budy Budy Budy Budy Budy Budy"
FINE = "The cat sat by the door and waited for the rain to stop."
OTHER = "Every harbour keeps its own weather, and old sailors learn to read each cloud."


class Tensor:
    """Requires a gradient: its number can be taken only once it was detached."""

    def __init__(self, *elements: float, detached: bool = False) -> None:
        self._elements = elements
        self._detached = detached

    def detach(self) -> "Tensor":
        return Tensor(*self._elements, detached=True)

    def item(self) -> float:
        if not self._detached:
            raise UserWarning("a number was taken from a tensor that requires a gradient")
        (element,) = self._elements
        return element


class Hostile:
    """Raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    __str__ = __repr__


def kind_of(value: object) -> str:
    return type(value).__name__


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def kinds(folder: Path) -> list[str]:
    """What each row of the metrics is: loss, event or unusable."""
    rows = lines(folder / "metrics.jsonl") if (folder / "metrics.jsonl").exists() else []
    return [next(kind for kind in ("loss", "event", "unusable") if kind in row) for row in rows]


def unusable(folder: Path) -> list[tuple[int, str]]:
    """Step and words of each row that tells of something unusable."""
    rows = lines(folder / "metrics.jsonl")
    return [(row["step"], row["unusable"]) for row in rows if "unusable" in row]


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def decided(monitor: Monitor) -> dict[str, Any]:
    """All that decides, as it stands."""
    return {"state": monitor.state_dict(), "last": monitor.last_step, "said": monitor.diagnosis}


# Losses


@pytest.mark.parametrize(
    ("loss", "taken"),
    [
        (Decimal("2.5"), 2.5),
        (Fraction(5, 2), 2.5),
        (Tensor(2.5), 2.5),
        (np.float32(2.5), 2.5),
        (np.array([[2.5]]), 2.5),
        ("2.5", 2.5),
        (3, 3.0),
        (Decimal("NaN"), math.nan),
        (float("inf"), math.inf),
        (10**400, math.inf),
    ],
    ids=kind_of,
)
def test_a_loss_in_whatever_dress_is_taken(tmp_path: Path, loss: object, taken: float) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.loss(1, loss)
        assert monitor.signals.loss.loss == pytest.approx(taken, nan_ok=True)
    (row,) = lines(tmp_path / "metrics.jsonl")
    assert row["loss"] == (taken if math.isfinite(taken) else None)
    assert monitor.unusable == 0


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (None, "loss None"),
        (np.array([2.5, 3.5]), "loss ndarray"),
        (np.array([]), "loss ndarray"),
        (Tensor(2.5, 3.5), "loss Tensor"),
        ([2.5], "loss list"),
        ("low", "loss str 'low'"),
        (True, "loss bool True"),
        (1j, "loss complex 1j"),
        (Hostile(), "loss Hostile"),
        (object(), "loss object"),
    ],
    ids=kind_of,
)
def test_a_loss_that_is_none_is_counted_and_changes_nothing(
    tmp_path: Path, loss: object, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.loss(1, 4.0)
        before = decided(monitor)
        monitor.loss(2, loss, source="chat", grad_norm=1.0)
        monitor.loss(3, loss)
        assert decided(monitor) == before
        assert monitor.unusable == 2
        assert monitor.recording
    assert unusable(tmp_path) == [(2, words), (3, words)]
    (message,) = warnings_in(caplog)
    assert "not usable" in message
    assert words in message


STEPS_THAT_ARE_NONE = (None, math.nan, 2.5, math.inf, "soon", True, [3], Hostile(), 2**60, np.array([1, 2]))


@pytest.mark.parametrize("step", STEPS_THAT_ARE_NONE, ids=kind_of)
def test_a_step_that_is_none_is_counted_and_changes_nothing(tmp_path: Path, step: object) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.loss(7, 4.0)
        monitor.sample(7, [LOW, FINE, LOW])
        before = decided(monitor)
        monitor.loss(step, 3.0)
        verdict = monitor.sample(step, [LOW, LOW])
        monitor.note("checkpoint", step)
        monitor.note("restart", step)
        assert decided(monitor) == before
        assert monitor.unusable == 4
        assert (verdict.halt, verdict.streak, verdict.low) == (False, 1, False)
        assert verdict == monitor.verdict
        assert "nothing to judge" in verdict.reason
    assert [at for at, _ in unusable(tmp_path)] == [7] * 4, "the last step there was"
    assert len(lines(tmp_path / "samples.jsonl")) == 3


@pytest.mark.parametrize("step", [3.0, "3", Decimal(3), np.int64(3), np.array(3), Tensor(3.0)], ids=kind_of)
def test_a_step_in_whatever_dress_is_taken(tmp_path: Path, step: object) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.loss(step, 3.0)
        assert (monitor.sample(step, FINE).step, monitor.last_step, monitor.unusable) == (3, 3, 0)


@pytest.mark.parametrize("norm", [None, "many", Hostile(), np.array([1.0, 2.0]), object()], ids=kind_of)
def test_a_gradient_norm_that_is_none_is_as_if_it_were_not_there(tmp_path: Path, norm: object) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.loss(1, 0.0, grad_norm=norm)
        assert (monitor.signals.loss.loss, monitor.unusable) == (0.0, 0)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (7, "7"),
        (np.int64(7), "7"),
        ("", None),
        (math.nan, "None"),
        ("a\udc80", "a\ufffd"),
        (Hostile(), "Hostile"),
    ],
    ids=["int", "numpy", "empty", "nan", "surrogate", "hostile"],
)
def test_a_source_is_a_name_whatever_it_is(tmp_path: Path, source: object, name: str | None) -> None:
    with Monitor(tmp_path, status_every=1) as monitor:
        monitor.loss(1, 3.0, source=source)
        assert list(monitor.signals.loss.sources) == ([] if name is None else [name])
        assert monitor.recording
    assert lines(tmp_path / "metrics.jsonl")[0].get("source") == name
    with Monitor(tmp_path) as monitor:
        assert list(monitor.signals.loss.sources) == ([] if name is None else [name])


def test_a_tensor_that_requires_a_gradient_gives_no_warning(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    script = (
        "import sys, torch; from coherence.run.monitor import Monitor\n"
        "with Monitor(sys.argv[1]) as monitor:\n"
        "    monitor.loss(torch.tensor(1), torch.tensor([2.5], requires_grad=True))\n"
        "    monitor.loss(2, torch.tensor([2.5, 3.5], requires_grad=True))\n"
        "    assert (monitor.signals.loss.loss, monitor.unusable) == (2.5, 1)\n"
    )
    command = [sys.executable, "-W", "error", "-c", script, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    assert (run.returncode, run.stderr.count("Warning")) == (0, 0), run.stderr


# Texts


def test_of_texts_with_none_among_them_the_others_are_taken_and_numbered_one_by_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Monitor(tmp_path) as monitor:
        verdict = monitor.sample(100, [LOW, None, LOW], prompts=["a", "b", "c"])
        assert (verdict.streak, verdict.samples) == (2, ((100, 0), (100, 1)))
        assert monitor.unusable == 1
        monitor.sample(200, [None, LOW])
    rows = lines(tmp_path / "samples.jsonl")
    assert [(row["step"], row["index"], row["prompt"]) for row in rows] == [
        (100, 0, "a"),
        (100, 1, "c"),
        (200, 0, None),
    ]
    assert unusable(tmp_path) == [(100, "text None"), (200, "text None")]
    (message,) = warnings_in(caplog)
    assert "text None" in message


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (None, ["texts None"]),
        (3, ["texts int 3"]),
        ({"a", "b"}, ["texts set"]),
        (Hostile(), ["texts Hostile"]),
        ([None, 3], ["text None", "text int 3"]),
        ({"text": FINE}, ["text dict"]),
        ([], []),
        ((), []),
        (np.array([]), []),
    ],
    ids=kind_of,
)
def test_where_no_text_can_be_used_the_verdict_stands_as_it_was(
    tmp_path: Path, texts: object, words: list[str]
) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.sample(100, [LOW, LOW])
        before = decided(monitor)
        verdict = monitor.sample(200, texts)
        assert decided(monitor) == before
        assert (verdict.halt, verdict.streak, verdict.samples) == (False, 2, ((100, 0), (100, 1)))
        assert "nothing to judge" in verdict.reason
        assert monitor.unusable == len(words)
        assert monitor.sample(300, LOW).streak == 3
    assert [each for _, each in unusable(tmp_path)] == words if words else kinds(tmp_path) == []


def test_after_a_halt_a_call_without_any_text_halts_too(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        reason = monitor.sample(100, [LOW] * 5).reason
        for texts in ([], None, [None]):
            verdict = monitor.sample(200, texts)
            assert (verdict.halt, verdict.reason) == (True, reason)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (FINE.encode(), [FINE]),
        (b"\xff" + FINE.encode(), ["\ufffd" + FINE]),
        ([FINE, OTHER.encode()], [FINE, OTHER]),
        ((FINE, OTHER), [FINE, OTHER]),
        (iter([FINE, OTHER]), [FINE, OTHER]),
        ({"role": "assistant", "content": FINE}, [FINE]),
        ([{"role": "user", "content": "Go on."}, {"role": "assistant", "content": FINE}], [FINE]),
        (
            [[{"role": "assistant", "content": FINE}], [{"role": "assistant", "content": OTHER}]],
            [FINE, OTHER],
        ),
        (np.array([FINE, OTHER]), [FINE, OTHER]),
        ("half a pair \ud83d", ["half a pair \ufffd"]),
        (["whole \ud83d\ude00 pair"], ["whole \U0001f600 pair"]),
        ("", [""]),
    ],
    ids=kind_of,
)
def test_texts_in_whatever_dress_are_taken(tmp_path: Path, texts: object, expected: list[str]) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.sample(100, texts)
        assert (monitor.unusable, monitor.recording) == (0, True)
        state = monitor.state_dict()
    assert [row["text"] for row in lines(tmp_path / "samples.jsonl")] == expected
    (tmp_path / "gate.json").unlink()
    with Monitor(tmp_path) as monitor:
        assert monitor.state_dict() == state, "what was judged is what stands there"


@pytest.mark.parametrize(
    ("texts", "prompts", "written", "words"),
    [
        ([FINE, OTHER], ["a", "b"], ["a", "b"], None),
        ([FINE, OTHER], "a", ["a", "a"], None),
        ([FINE, OTHER], b"a", ["a", "a"], None),
        ([FINE, OTHER], {"role": "user", "content": "a"}, ["a", "a"], None),
        ([FINE, OTHER], [None, "b"], [None, "b"], None),
        ([FINE, OTHER], [3, "b"], [None, "b"], None),
        ([FINE, OTHER], ["a"], [None, None], "prompts: 1 for 2 texts"),
        ([FINE, OTHER], ["a", "b", "c"], [None, None], "prompts: 3 for 2 texts"),
        ([FINE, OTHER], [], [None, None], "prompts: 0 for 2 texts"),
        ([FINE, OTHER], 3, [None, None], "prompts: int 3 for 2 texts"),
        ([FINE], Hostile(), [None], "prompts: Hostile for 1 texts"),
        (FINE, ["a", "b"], [None], "prompts: 2 for 1 texts"),
    ],
    ids=kind_of,
)
def test_prompts_that_do_not_fit_are_left_out_and_the_texts_judged_without(
    tmp_path: Path, texts: object, prompts: object, written: list[str | None], words: str | None
) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.sample(100, texts, prompts)
        assert monitor.unusable == (words is not None)
    assert [row["prompt"] for row in lines(tmp_path / "samples.jsonl")] == written
    assert words is None or unusable(tmp_path) == [(100, words)]


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), KeyboardInterrupt(), StopAsyncIteration()])
@pytest.mark.parametrize("in_prompts", [False, True], ids=["texts", "prompts"])
def test_an_error_while_the_texts_are_drawn_is_the_callers_and_nothing_was_taken(
    tmp_path: Path, error: BaseException, in_prompts: bool
) -> None:
    def draw() -> Iterator[str]:
        yield LOW
        raise error

    with Monitor(tmp_path) as monitor:
        monitor.loss(99, 3.0)
        monitor.sample(99, [LOW, LOW])
        before, files = decided(monitor), contents(tmp_path)
        with pytest.raises(type(error)) as raised:
            monitor.sample(100, *([[LOW, LOW], draw()] if in_prompts else [draw()]))
        assert raised.value is error
        assert (decided(monitor), contents(tmp_path), monitor.unusable) == (before, files, 0)
        assert monitor.sample(100, [LOW, LOW]).streak == 4, "the call that is tried again counts once"
    assert [row["index"] for row in lines(tmp_path / "samples.jsonl")] == [0, 1, 0, 1]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# Notes


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array([0.5]), 0.5),
        (np.array([1, 2]), "[1 2]"),
        (Decimal("0.5"), 0.5),
        (Decimal("NaN"), None),
        (math.nan, None),
        (math.inf, None),
        (2**70, str(2**70)),
        (True, True),
        (None, None),
        ("a\udc80b", "a\ufffdb"),
        (Path("code"), "code"),
        ({"a": 1}, "{'a': 1}"),
        (Hostile(), "Hostile"),
        ("x" * 500, "x" * 500),
        (["x" * 500], str(["x" * 500])[:200]),
    ],
    ids=kind_of,
)
def test_a_detail_of_a_note_is_written_down_whatever_it_is(
    tmp_path: Path, value: object, written: object
) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.note("pivot", 5, what=value)
        assert (monitor.recording, monitor.unusable) == (True, 0)
    (row,) = lines(tmp_path / "metrics.jsonl")
    assert row["details"] == {"what": written}


@pytest.mark.parametrize("event", [None, 3, Hostile(), "a\udc80", b"pivot", np.str_("pivot")], ids=kind_of)
def test_a_note_of_whatever_name_is_written_down(tmp_path: Path, event: object) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.note(event, 5)
        assert monitor.recording
    assert kinds(tmp_path) == ["event"]
    assert main(["audit", str(tmp_path)]) == 2, "there are no samples in it"


# What is told of it


def test_what_could_not_be_used_is_told_by_status_and_lines_and_survives_reopening(tmp_path: Path) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.sample(100, [None, FINE])
        monitor.loss(100, None)
    assert json.loads((tmp_path / "loss.json").read_text())["unusable"] == 2
    with Monitor(tmp_path) as monitor:
        assert monitor.unusable == 2
        monitor.loss(101, "low")
        assert monitor.unusable == 3
    (tmp_path / "gate.json").unlink()
    with Monitor(tmp_path) as monitor:
        assert monitor.unusable == 3, "read again from the lines"


def test_it_is_logged_once_however_often_it_happens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Monitor(tmp_path) as monitor:
        for step in range(20):
            monitor.loss(step, None)
            monitor.sample(step, [None, 3])
    assert len(warnings_in(caplog)) == 1
    assert monitor.unusable == 60


def test_a_log_line_about_it_commands_no_terminal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Monitor(tmp_path) as monitor:
        monitor.loss(1, "\x1b[2J\x07")
    (message,) = warnings_in(caplog)
    assert "\x1b" not in message + unusable(tmp_path)[0][1]


def test_an_audit_lists_what_could_not_be_used_and_decides_as_if_it_had_not_been_handed_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(folder: Path, with_nonsense: bool) -> dict[str, Any]:
        with Monitor(folder, gate=Gate(patience=3)) as monitor:
            for step in range(1, 9):
                monitor.loss(step, 9 - step)
                if with_nonsense:
                    monitor.loss(step, None)
                    monitor.sample(step, 3)
                monitor.sample(step, [FINE if step < 5 else LOW, *([None] if with_nonsense else [])])
            said = monitor.diagnosis._asdict()
        assert main(["audit", str(folder), "--json", "-"]) == 1
        report: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert report["diagnosis"] == said
        return report

    plain, nonsense = train(tmp_path / "plain", False), train(tmp_path / "nonsense", True)
    assert (plain["problem_count"], nonsense["problem_count"]) == (0, 24)
    first = nonsense["problems"][0]
    assert (first["line"], Path(first["file"]).name) == (2, "metrics.jsonl")
    assert "loss None" in first["message"]
    same = ("halt_step", "halt_reason", "diagnosis", "resume_from", "judged", "low", "restarts", "superseded")
    assert {name: nonsense[name] for name in same} == {name: plain[name] for name in same}
    assert nonsense["loss"]["rows"] == plain["loss"]["rows"] == 8


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.decimals(),
    st.complex_numbers(),
    st.lists(st.none() | st.text() | st.floats(), max_size=3),
    st.dictionaries(st.text(), st.text(), max_size=2),
    st.sampled_from([Hostile(), object(), np.array([1.0, 2.0]), {FINE}, LOW, FINE]),
)
CALLS: list[Callable[[Monitor, Any, Any, Any], object]] = [
    lambda monitor, step, one, other: monitor.loss(step, one, other, other),
    lambda monitor, step, one, other: monitor.sample(step, one, other),
    lambda monitor, step, one, other: monitor.sample(step, [one, other]),
    lambda monitor, step, one, other: monitor.note(one, step, what=other),
]


@pytest.mark.slow
@given(
    calls=st.lists(
        st.tuples(st.sampled_from(CALLS), st.integers(0, 50) | ANYTHING, ANYTHING, ANYTHING), max_size=8
    )
)
def test_nothing_at_all_raises_and_all_of_it_can_be_read_again(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[Callable[..., object], Any, Any, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    with Monitor(folder, gate=Gate(observe_only=True)) as monitor:
        for call, *given_in in calls:
            call(monitor, *given_in)
            assert monitor.recording
        state, count = monitor.state_dict(), monitor.unusable
    (folder / "gate.json").unlink()
    with Monitor(folder) as monitor:
        assert (monitor.state_dict(), monitor.unusable) == (state, count)
