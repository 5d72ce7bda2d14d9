"""Kill a training process at random moments, again and again, and see what its run folder has lost.

    python tests/campaigns/kill.py --times 200

A process trains in miniature: a loss every step, a sample every third, and says on its standard output which
calls have returned. It is ended with SIGKILL, or with SIGTERM, which it does not handle and which schedulers
send before, while it opens the folder, while it writes or in between, and started again on the same folder,
now and then from an earlier step. Beside it a reader polls the status at full speed. Ends with 1 if the
folder did not open, if a call that had returned is not in it, if a run went on with another streak or SMMA
than the lines give, or if the reader saw half a status.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
from itertools import count
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any, NamedTuple

from coherence import Gate, LossTracker, score
from coherence.run.monitor import Monitor

SAMPLE_EVERY, STATUS_EVERY = 3, 4
MOST_CALLS, LONGEST_PAUSE = 50, 0.003
FINE = "The cat sat by the door and waited for the rain to stop. "
LOW = "Budy Budy Budy Budy "


class Figures(NamedTuple):
    """What came of it."""

    kills: int
    kills_with_sigterm: int
    kills_while_opening: int
    calls: int
    lost_calls: int
    unsaid_calls: int
    torn_lines: int
    failed_openings: int
    wrong_resumptions: int
    polls: int
    half_status_files: int

    @property
    def kept(self) -> bool:
        """Whether all that is promised was kept."""
        return not (
            self.lost_calls or self.failed_openings or self.wrong_resumptions or self.half_status_files
        )


# --- The process that is killed ---------------------------------------------------------------------------


def train(folder: Path, back: int) -> None:
    """Train in miniature until killed, and say what has returned."""
    monitor = Monitor(folder, vocab_size=1024, gate=never_halting(), status_every=STATUS_EVERY)
    print("open", monitor.gate.streak, monitor.signals.loss.smma, flush=True)
    for step in count(max(0, (monitor.last_step or 0) + 1 - back)):
        monitor.loss(step, loss_of(step), source="topics" if step % 2 else "docstrings")
        print("loss", step, flush=True)
        if step % SAMPLE_EVERY == 0:
            print("sample", step, monitor.sample(step, text_of(step)).streak, flush=True)


def never_halting() -> Gate:
    """Return a gate that counts on and on."""
    return Gate(patience=1_000_000)


def loss_of(step: int) -> float:
    """Return the loss at a step, the same in every process."""
    return 8.0 * 0.99**step + Random(step).random()  # noqa: S311 - a scripted loss


def text_of(step: int) -> str:
    """Return the sample at a step: mostly low, of one line or of several pages of memory."""
    random = Random(step)  # noqa: S311 - a scripted sample
    return random.choice([LOW, LOW, LOW, LOW, LOW, FINE]) * random.choice([1, 10, 200])


# --- The reader -------------------------------------------------------------------------------------------


def poll(status: Path) -> None:
    """Read the status at full speed until standard input ends; say how often, and how often only half."""
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    polls = half = 0
    while not ended.is_set():
        if polls or status.exists():
            polls += 1
            half += not is_whole(status)
    print(json.dumps([polls, half]))


def is_whole(status: Path) -> bool:
    """Tell whether the status is there, and all of it."""
    try:
        found: dict[str, Any] = json.loads(status.read_bytes())
    except (OSError, ValueError):
        return False
    return {"format", "step", "gate", "updated_at"} <= found.keys()


# --- The killing ------------------------------------------------------------------------------------------


class Lines:
    """The lines of the folder as a run that was never stopped would have taken them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gate, self.loss = never_halting(), LossTracker(vocab_size=1024)
        self.calls: list[tuple[str, int]] = []
        self.torn = 0
        self._read = {"metrics.jsonl": 0, "samples.jsonl": 0}

    def catch_up(self) -> None:
        """Read what is new."""
        self.calls = []
        for name in self._read:
            for row in self._new_rows(name):
                if "text" in row:
                    self.gate.update(score(row["text"]), row["step"], row["index"])
                    self.calls.append(("sample", row["step"]))
                elif "loss" in row:
                    self.loss.update(row["step"], row["loss"], row.get("source"))
                    self.calls.append(("loss", row["step"]))
                elif row.get("event") == "restart":  # the first thing that a life says, before its samples
                    self.gate.restart()

    def _new_rows(self, name: str) -> list[dict[str, Any]]:
        path, rows = self.folder / name, []
        data = path.read_bytes()[self._read[name] :] if path.exists() else b""
        self._read[name] += len(data)
        for line in filter(None, data.split(b"\n")):
            try:
                rows.append(json.loads(line))
            except ValueError:
                self.torn += 1
        return rows


class Life(NamedTuple):
    """What one process said before it was killed, and the number of the signal, 0 if it ended by itself."""

    killed_with: int
    opened: tuple[int, float | None] | None
    calls: list[tuple[str, int]]


def live(folder: Path, random: Random) -> Life:
    """Start the process and end it at a random moment."""
    back = random.choice([0, 0, 0, 20])
    command = [sys.executable, __file__, "--train", str(folder), "--back", str(back)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ourselves
        assert process.stdout is not None
        # Some are killed before they have said a word: while Python starts, or the folder is opened.
        heard = [
            process.stdout.readline() for _ in range(random.choice([0, 1, random.randint(2, MOST_CALLS)]))
        ]
        pause = random.uniform(0, LONGEST_PAUSE if heard else 0.4)
        try:
            process.wait(pause)
        except subprocess.TimeoutExpired:
            process.send_signal(random.choice([signal.SIGKILL, signal.SIGTERM]))
        heard += process.stdout.readlines()
        killed_with = max(0, -process.wait())
    said = [line.split() for line in heard if line.endswith("\n")]
    opened = next(((int(w[1]), to_float(w[2])) for w in said if w[0] == "open"), None)
    return Life(killed_with, opened, [(words[0], int(words[1])) for words in said if words[0] != "open"])


def to_float(word: str) -> float | None:
    """Return the number that a process said."""
    return None if word == "None" else float(word)


def run(folder: Path, times: int, seed: int = 0) -> Figures:
    """Kill a run so many times and return what came of it."""
    random, lines = Random(seed), Lines(folder)  # noqa: S311 - it draws moments
    terms = opening = calls = lost = unsaid = failed = wrong = 0
    command = [sys.executable, __file__, "--poll", str(folder / "loss.json")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as reader:  # noqa: S603 - ourselves
        for _ in range(times):
            expected = (lines.gate.streak, lines.loss.smma)
            life = live(folder, random)
            lines.catch_up()
            opening += life.opened is None
            failed += not life.killed_with
            terms += life.killed_with == signal.SIGTERM
            wrong += life.opened is not None and life.opened != expected
            calls += len(life.calls)
            lost += len(set(life.calls) - set(lines.calls))
            unsaid += len(set(lines.calls) - set(life.calls))
        polls, half = json.loads(reader.communicate()[0])
    with Monitor(folder, vocab_size=1024, gate=never_halting()) as monitor:
        wrong += (monitor.gate.streak, monitor.signals.loss.smma) != (lines.gate.streak, lines.loss.smma)
    return Figures(times, terms, opening, calls, lost, unsaid, lines.torn, failed, wrong, polls, half)


def main() -> int:
    """Kill, and print the figures."""
    parser = argparse.ArgumentParser(description="Kill a training process at random moments.")
    parser.add_argument("--times", type=int, default=200, help="how often")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--back", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--poll", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.train, options.back)
    elif options.poll:
        poll(options.poll)
    else:
        started = perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            figures = run(Path(folder), options.times, options.seed)
        for name, figure in figures._asdict().items():
            print(f"{name.replace('_', ' '):<22}{figure:>9}")
        print(f"{'seconds':<22}{perf_counter() - started:>9.0f}")
        return 0 if figures.kept else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
