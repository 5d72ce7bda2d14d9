"""Tell what runs for long to end, at random moments: a server that is asked, the example that trains.

    python tests/campaigns/told_to_end.py --times 24
    python tests/campaigns/told_to_end.py --times 9 --only example

`server` starts a server, asks it from three threads, sends SIGKILL, SIGTERM or Ctrl-C and starts it again on
the same port. `example` does it to examples/train_tiny.py, looks at the run folder and resumes; it needs
torch, so it is done only when asked for. Ends with 1 where something was lost.
"""

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPException
from pathlib import Path
from random import Random
from typing import NamedTuple, Self
from urllib.request import urlopen

from coherence.cli.main import BROKEN_OFF

sys.path.append(str(Path(__file__).parents[2] / "tests/support"))
from disturbed import SIGNALS, Ended, command, disturb, main, show, train
from ports import free_port

# --- A server that is told to end while it is asked -------------------------------------------------------


class Served(NamedTuple):
    """What came of servers that were told to end."""

    faults: int
    ready: int
    answers: int
    half_answers: int
    other_statuses: int
    tracebacks: int
    not_started_again: int

    @property
    def kept(self) -> bool:
        """Whether all that is promised was kept."""
        return not any(self[3:])


class Asking:
    """Asks a server for a run, again and again, from several threads."""

    def __init__(self, address: str) -> None:
        self.answers = self.half = 0
        self._address = f"{address}run.json?run=run"
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(3)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._ended.is_set():
            try:
                with urlopen(self._address, timeout=30) as reply:  # noqa: S310 - of this machine
                    found = reply.read()
            except (OSError, HTTPException):  # not there yet, or not any more; what is cut off says so
                self._ended.wait(0.01)
                continue
            self.answers += 1
            with contextlib.suppress(ValueError):
                self.half -= "report" in json.loads(found)
            self.half += 1


def serve(folder: Path, port: int) -> subprocess.Popen[str]:
    """Start a server."""
    arguments = command(["serve", "run", "--port", str(port)])
    return subprocess.Popen(arguments, cwd=folder, stderr=subprocess.PIPE, text=True)  # noqa: S603 - ourselves


def end_server(
    folder: Path, port: int, number: int, moment: float, ready: bool = True
) -> tuple[Asking, Ended]:
    """Ask a server and send it a signal meanwhile, so long after its start or after it was ready."""
    with serve(folder, port) as server, Asking(f"http://127.0.0.1:{port}/") as asking:
        assert server.stderr is not None
        said = server.stderr.readline() if ready else ""
        time.sleep(moment)
        server.send_signal(number)
        said += server.stderr.read()
    return asking, Ended(server.returncode, said)


def serving(folder: Path, times: int, seed: int = 0) -> Served:
    """Tell a server to end so many times, while it starts or while it answers, and start it again."""
    random, port = Random(seed), free_port()  # noqa: S311 - it draws moments
    train(folder / "run", 3).close()
    started = time.perf_counter()
    end_server(folder, port, signal.SIGTERM, 0)
    seconds = time.perf_counter() - started
    were_ready = answers = half = statuses = tracebacks = refused = 0
    for turn in range(times):
        number, wait = SIGNALS[turn % len(SIGNALS)], random.random() < 0.5
        asking, ended = end_server(folder, port, number, random.uniform(0, 0.3 if wait else seconds), wait)
        ready = ended.errors.startswith("http://")
        were_ready, answers, half = were_ready + ready, answers + asking.answers, half + asking.half
        killed = number == signal.SIGKILL or not ready
        statuses += ended.status not in ((-number, BROKEN_OFF, 0) if killed else (0,))
        # A traceback from before the command line has begun is the interpreter's.
        tracebacks += 'cli.py", line' in ended.errors or (ready and "Traceback" in ended.errors)
        asking, ended = end_server(folder, port, signal.SIGTERM, 0.1)
        refused += ended.status != 0 or not asking.answers
    return Served(times, were_ready, answers, half, statuses, tracebacks, refused)


# --- The example that trains ------------------------------------------------------------------------------

EXAMPLE = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import train_tiny
files, topics = train_tiny.stdlib_files, train_tiny.help_topics
train_tiny.stdlib_files = lambda: files()[::40]
train_tiny.help_topics = lambda: topics()[::8]
train_tiny.SAMPLE_TOKENS = 30
sys.exit(train_tiny.main())
"""
STEPS, SAMPLE_EVERY = 30, 10
Rows = list[tuple[int, float, str]]


class Trained(NamedTuple):
    """What came of trainings that were told to end."""

    faults: int
    finished: int
    resumed: int
    without_checkpoint: int
    half_written: int
    audits_failed: int
    other_results: int

    @property
    def kept(self) -> bool:
        """Whether all that is promised was kept."""
        return not any(self[4:])


def trained(folder: Path, out: str, *more: str, number: int = signal.SIGKILL, moment: float = 999) -> Ended:
    """Train the example with less text and short samples, until the end or a signal."""
    examples = Path(__file__).parents[2] / "examples"
    arguments = ["--out", out, "--steps", str(STEPS), "--sample-every", str(SAMPLE_EVERY), "--threads", "1"]
    return disturb(folder, [str(examples), *arguments, *more], number, moment, EXAMPLE)


def losses(run: Path) -> Rows:
    """Return the losses of a run; of a step that was taken twice, and those after it, the second."""
    rows: Rows = []
    for line in (run / "metrics.jsonl").read_bytes().splitlines() if (run / "metrics.jsonl").exists() else ():
        with contextlib.suppress(ValueError):
            row = json.loads(line)
            if "loss" in row:
                rows = [each for each in rows if each[0] < row["step"]]
                rows.append((row["step"], row["loss"], row["source"]))
    return rows


def resumed(folder: Path, out: str, latest: int) -> bool:
    """Start a training again; tell whether it goes on as an undisturbed one does from that checkpoint."""
    checkpoint = ("--resume", f"{out}/checkpoints/step-{latest}.pt") if latest else ()
    reference = f"from-{latest}" if latest else "undisturbed"
    if not (folder / reference).exists():
        trained(folder, reference, "--resume", f"undisturbed/checkpoints/step-{latest}.pt")
    before = [row for row in losses(folder / "undisturbed") if row[0] <= latest]
    ended = trained(folder, out, *checkpoint)
    after = losses(folder / reference)
    expected = after if reference == "undisturbed" else before + after
    return ended.status == 0 and losses(folder / out) == expected


def training(folder: Path, times: int, seed: int = 0) -> Trained:
    """Tell the example to end so many times, look at its run folder, and start it again."""
    random, started = Random(seed), time.perf_counter()  # noqa: S311 - it draws moments
    ended = trained(folder, "undisturbed")
    assert ended.status == 0, ended.errors
    seconds, undisturbed = time.perf_counter() - started, losses(folder / "undisturbed")
    finished = went_on = without = half = audits = other = 0
    for turn in range(times):
        out, number = f"turn-{turn}", SIGNALS[turn % len(SIGNALS)]
        ended = trained(folder, out, number=number, moment=random.uniform(seconds / 4, seconds))
        finished += ended.status == 0
        found = losses(folder / out)
        half += found != undisturbed[: len(found)]
        audited = disturb(folder, ["audit", out, "--observe"], signal.SIGKILL, 100)
        audits += audited.status != (0 if len(found) > SAMPLE_EVERY else audited.status) or (
            "Traceback" in audited.errors
        )
        latest = max([int(path.stem[5:]) for path in (folder / out).glob("checkpoints/step-*.pt")], default=0)
        if found and not latest:  # it says that there is a run already
            without += 1
            other += trained(folder, out).status != 2
        elif ended.status:
            went_on += 1
            other += not resumed(folder, out, latest)
    return Trained(times, finished, went_on, without, half, audits, other)


# --- All of them ------------------------------------------------------------------------------------------


def all_servers(times: int, seed: int) -> bool:
    """Tell servers to end."""
    with tempfile.TemporaryDirectory() as folder:
        return show("signals, serve", serving(Path(folder), times, seed))


def all_trainings(times: int, seed: int) -> bool:
    """Tell the example to end."""
    with tempfile.TemporaryDirectory() as folder:
        return show("signals, examples/train_tiny.py", training(Path(folder), times, seed))


if __name__ == "__main__":
    sys.exit(main(__doc__, {"server": all_servers, "example": all_trainings}, on_demand=["example"]))
