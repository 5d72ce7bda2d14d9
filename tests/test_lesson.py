"""The run of the lesson once more, through the public doors: the audit of its files, and the loop.

ANDREA-120M v1 ran to step 165,000 at 9.95 seconds a step; its samples looped from step 128,000 on. The losses
are those of its table, in `fixtures/lesson`; the healthy samples are ours.
"""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from places import LESSON
from prose import prose

from coherence import Monitor
from coherence.audit.conduct import audit
from coherence.cli.main import main
from coherence.report import Report

EVERY, COLLAPSED, END = 1_000, 128_000, 165_000
SECONDS = 9.95
STEPS = range(EVERY, END + 1, EVERY)
BUDY, QUOTES = (
    sample["text"]
    for sample in json.loads((LESSON / "samples.json").read_text(encoding="utf-8"))["samples"]
    if sample["label"] == "collapsed"
)
V1: dict[str, Any] = json.loads((LESSON / "loss_tables.json").read_text(encoding="utf-8"))["tables"][0]


def losses() -> Iterator[tuple[int, float]]:
    """A loss at every sample, on straight lines through the middles of the table's rows.

    The middles are in whole thousands, as the samples are. Before the first of them the run comes down from
    the uniform baseline; after the last one its loss stays.
    """
    rows = [((row["start"] + row["end"]) // 2 // EVERY * EVERY, row["loss"]) for row in V1["rows"]]
    points = [(0, 9.04), *rows, (END + 1, rows[-1][1])]
    for (start, before), (end, after) in pairwise(points):
        for step in STEPS:
            if start < step <= end:
                yield step, before + (after - before) * (step - start) / (end - start)


def samples() -> Iterator[tuple[int, str]]:
    for step in STEPS:
        yield step, prose(60, step) if step < COLLAPSED else (BUDY, QUOTES)[step // EVERY % 2]


def written(folder: Path, **more: float) -> Path:
    """The files that a trainer could have left; `time` is in seconds a step."""
    times = {step: {name: seconds * step for name, seconds in more.items()} for step in STEPS}
    texts = [{"step": step, "text": text, **times[step]} for step, text in samples()]
    rows = [{"step": step, "loss": loss} for step, loss in losses()]
    for name, lines in (("samples.jsonl", texts), ("metrics.jsonl", rows)):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


def audited(folder: Path, **options: Any) -> Report:
    # The values of the table are averages already: they are not smoothed a second time.
    report = audit(folder, vocab_size=V1["vocab_size"], smma_window=1, **options)
    assert isinstance(report, Report)
    return report


def test_the_losses_of_the_replay_are_lowest_where_the_table_is() -> None:
    (lowest,) = {step for step, loss in losses() if loss == min(loss for _, loss in losses())}
    assert lowest == 97_000
    assert [step for step, _ in losses()] == list(STEPS)
    assert dict(losses())[97_000] == 3.43


def test_the_audit_halts_the_run_at_132_000_and_counts_what_it_cost(tmp_path: Path) -> None:
    report = audited(written(tmp_path), seconds_per_step=SECONDS)
    assert (report.first_low_step, report.halt_step) == (128_000, 132_000)
    assert (report.last_step, report.wasted_steps) == (165_000, 33_000)
    assert report.wasted_seconds == pytest.approx(33_000 * SECONDS)
    assert report.wasted_seconds is not None
    assert round(report.wasted_seconds / 86_400, 1) == 3.8
    assert report.halt_reason is not None
    assert "5 samples in a row" in report.halt_reason
    assert (report.judged, report.low, report.fine_after_halt) == (165, 38, 0)


def test_the_clock_of_the_samples_says_the_same_as_seconds_a_step(tmp_path: Path) -> None:
    assert audited(written(tmp_path, time=SECONDS)).wasted_seconds == pytest.approx(33_000 * SECONDS)


def test_the_audit_sends_the_run_back_to_97_000_the_minimum_of_its_loss(tmp_path: Path) -> None:
    report = audited(written(tmp_path))
    assert report.resume_from == 97_000
    assert (report.diagnosis.action, report.diagnosis.loss) == ("halt", "diverging")
    assert report.diagnosis.samples == "collapsed"


def test_the_command_says_where_to_stop_and_what_it_would_have_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["audit", str(written(tmp_path)), "--seconds-per-step", str(SECONDS)])
    err = capsys.readouterr().err
    assert status == 1
    assert "132,000: 5 samples in a row" in err
    assert "33,000 steps, 3.8 days" in err


@pytest.mark.slow
def test_the_loop_is_told_to_stop_at_132_000_and_where_to_go_back_to(tmp_path: Path) -> None:
    by_step = dict(losses())
    with Monitor(tmp_path, vocab_size=V1["vocab_size"], window=1) as monitor:
        for step, text in samples():
            monitor.loss(step, by_step[step])
            if monitor.sample(step, text).halt:
                break
        assert (step, monitor.resume_from) == (132_000, 97_000)
        assert monitor.diagnosis.action == "halt"
    report = audit(tmp_path)
    assert isinstance(report, Report)
    assert (report.halt_step, report.resume_from, report.wasted_steps) == (132_000, 97_000, 0)


@pytest.mark.slow
def test_the_loop_reads_well_until_the_samples_collapse(tmp_path: Path) -> None:
    with Monitor(tmp_path, vocab_size=V1["vocab_size"]) as monitor:
        verdicts = [monitor.sample(step, text) for step, text in samples() if step < COLLAPSED]
        assert monitor.diagnosis.samples == "reads well"
    assert {verdict.kind for verdict in verdicts} == {"fine"}


def test_budy_budy_halts_on_the_fifth(tmp_path: Path) -> None:
    assert BUDY == "Budy Budy Budy Budy"
    with Monitor(tmp_path) as monitor:
        halts = [monitor.sample(step, BUDY).halt for step in range(1, 7)]
    assert halts == [False] * 4 + [True] * 2
