"""How far an audit is: by the bytes that were read, also in the middle of a shard."""

import io
from pathlib import Path
from threading import Event

import pytest
from rich.console import Console

from coherence.audit.plan import Request, prepare
from coherence.audit.runners import score_one
from coherence.readers import storage
from coherence.show import progress as module
from coherence.show.progress import Progress, show_progress, weights


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def dump(*sizes: int) -> list[str]:
    for number, size in enumerate(sizes):
        row = f'{{"step": {number}, "text": "{"so " * 20}"}}\n'
        Path(f"{number}.jsonl").write_text(row * (size // len(row)), encoding="utf-8")
    return [f"{number}.jsonl" for number in range(len(sizes))]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_an_audit_goes_from_looking_over_scoring_to_the_order_of_the_steps() -> None:
    clock = Clock()
    progress = Progress(clock)
    assert progress.line == "looking for samples"
    job = prepare(Request(dump(3_000_000, 1_000_000)), shard=2_000_000)
    progress.score(job.shards)
    assert progress.line == "scoring, 0.0 of 4.0 MB"
    seen = []
    for shard in job.shards:
        clock.now += 10
        progress.done(score_one(shard, job.settings))
        seen.append(progress.line)
    assert seen[0] == "scoring, 1.5 of 4.0 MB, 17 s left"
    assert seen[-1] == "going through the samples in the order of their steps"


def test_what_is_read_of_a_shard_counts_before_the_shard_is_done() -> None:
    job = prepare(Request(dump(3_000_000)))
    (shard,) = job.shards
    progress = Progress()
    progress.score(job.shards)
    shares = [progress.share or 0.0]
    for part in range(3):
        with storage.open_bytes(shard.pieces[0].part.path) as file:
            file.read(800_000)
        shares.append(progress.share or 0.0)
        assert part < 3
    assert shares == sorted(set(shares))
    assert 0.7 < shares[-1] <= 1.0


def test_shards_of_one_file_weigh_as_much_as_the_file_is_long() -> None:
    job = prepare(Request(dump(3_000_000, 1_000_000)), shard=1_000_000)
    assert len(job.shards) > 2
    assert sum(weights(job.shards).values()) == sum(path.stat().st_size for path in Path().iterdir())


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_that_are_forced_make_no_terminal_of_a_pipe() -> None:
    shown = io.StringIO()
    with show_progress(Console(file=shown, force_terminal=True, width=80)):
        pass
    assert shown.getvalue() == ""


def test_a_terminal_shows_at_once_what_the_audit_is_at_and_nothing_of_it_is_left() -> None:
    shown = _Terminal()
    with show_progress(Console(file=shown, force_terminal=True, width=80)):
        assert "looking for samples" in shown.getvalue()
    assert shown.getvalue().endswith("\x1b[2K")


def test_in_a_pipe_a_line_now_and_then_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told, said = Event(), list[str]()

    def say(line: str) -> None:
        said.append(line)
        told.set()

    monkeypatch.setattr(module, "EVERY", 0.001)
    monkeypatch.setattr(module, "say", say)
    with show_progress(Console(file=io.StringIO())):
        assert told.wait(60)
    assert said[0] == "looking for samples"
    told.clear()
    with show_progress(Console(file=io.StringIO(), quiet=True)):
        assert not told.wait(0.05)
