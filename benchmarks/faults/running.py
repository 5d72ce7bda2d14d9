"""Disturb what runs: signals at random moments, Ctrl-C at every line, a disk or a table that is full.

    python benchmarks/faults/running.py --times 40

`programs` starts audit and check, sends SIGKILL, SIGTERM or Ctrl-C at a random moment, looks at what lies
there, starts the command once more and compares its results with those of a run that nobody disturbed;
`server` does it to a server that is asked, `example` to examples/train_tiny.py (which needs torch), `ray` to
an audit on a cluster and to its workers (which needs ray). `together` lets two commands write the same files.
`calls` raises KeyboardInterrupt at every line of the monitor's own code, `instructions` at every instruction.
`disk` gives a command less room than it needs, `descriptors` fewer open files; `slow` says how long calls
take on the disk of TMPDIR. What needs something, and `instructions`, which takes long, is done only when
asked for. Ends with 1 where something was lost.
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from http.client import HTTPException
from itertools import count
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, NamedTuple, Self
from urllib.request import urlopen

import coherence
from coherence import Gate
from coherence.cli import BROKEN_OFF
from coherence.monitor import Monitor

SMALL_SHARDS = """
import sys
import coherence.dump
from coherence.cli import main
coherence.dump.SHARD = 20_000
if __name__ == "__main__":
    sys.exit(main())
"""

COMMANDS = {
    "audit": "audit dump.jsonl --observe --json report.json --html report.html",
    "audit --scored": "audit dump.jsonl --observe --json report.json --scored scored.jsonl",
    "audit --workers 2": "audit dump.jsonl --observe --workers 2 --json report.json --scored scored.jsonl",
    "check --update": "check dump.jsonl --snapshot snapshot.json --update",
    "check": "check dump.jsonl --snapshot good.json --json check.json --junit check.xml",
}
OUTPUTS = ("report.json", "report.html", "scored.jsonl", "snapshot.json", "check.json", "check.xml")
OLD = b'{"what": "stood there before"}\n'
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
WORDS = ("old", "man", "walked", "along", "the", "river", "until", "evening", "letter", "daughter", "sent")


class Figures(NamedTuple):
    """What came of it, by the name of what was disturbed."""

    faults: int
    finished: int
    half_written: int
    tracebacks: int
    left_behind: int
    other_results: int

    @property
    def kept(self) -> bool:
        """Whether all that is promised was kept."""
        return not any(self[2:])


# --- Programs that are told to end ------------------------------------------------------------------------


def write_dump(path: Path, steps: int) -> None:
    """Write samples of so many steps, each with its loss."""
    random = Random(7)  # noqa: S311 - it draws words
    with path.open("w", encoding="utf-8") as file:
        for step in range(steps):
            for index in range(4):
                text = " ".join(random.choices(WORDS, k=random.randint(10, 60)))
                row = {"step": step, "prompt": f"question {index}", "text": text, "loss": 9 / (1 + step)}
                file.write(json.dumps(row) + "\n")


class Ended(NamedTuple):
    """How a program ended."""

    status: int
    errors: str


def command(arguments: Sequence[str], program: str = SMALL_SHARDS) -> list[str]:
    """Return what starts the command line, with shards of a few kilobytes, or another program."""
    return [sys.executable, "-c", program, *arguments]


def disturb(
    folder: Path, arguments: Sequence[str], number: int, moment: float, program: str = SMALL_SHARDS
) -> Ended:
    """Start the command line and send it a signal after so many seconds, as a terminal or `kill` would."""
    (folder / "tmp").mkdir(exist_ok=True)
    errors = folder / "errors.txt"
    with errors.open("w") as stream:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            command(arguments, program),
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder / "tmp")},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        if process.poll() is None:
            # Ctrl-C reaches every process of the terminal.
            os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        status = process.wait(900)
    return Ended(status, errors.read_text(encoding="utf-8", errors="replace"))


def outputs(folder: Path) -> dict[str, bytes]:
    """Return what the commands have written."""
    return {name: (folder / name).read_bytes() for name in OUTPUTS if (folder / name).exists()}


def is_whole(name: str, content: bytes, expected: bytes) -> bool:
    """Tell whether a file is the old one, the expected one, or a whole one of what was read so far."""
    if content in (OLD, expected):
        return True
    if name.endswith(".json"):
        with contextlib.suppress(ValueError):
            return json.loads(content).get("partial") is True
        return False
    if name.endswith(".html"):
        return content.rstrip().endswith(b"</html>")
    # Ctrl-C writes what was read so far: fewer rows, each of them whole.
    return name.endswith(".jsonl") and all(is_row(line) for line in content.splitlines(keepends=True))


def prepare(folder: Path, steps: int) -> None:
    """Write the dump and the snapshot that it is compared with."""
    write_dump(folder / "dump.jsonl", steps)
    arguments = ["check", "dump.jsonl", "--snapshot", "good.json", "--update"]
    ended = disturb(folder, arguments, signal.SIGKILL, 100)
    assert ended.status == 0, ended.errors  # noqa: S101 - or nothing that follows says anything


def programs(folder: Path, name: str, times: int, steps: int = 200, seed: int = 0) -> Figures:
    """Disturb one command so many times."""
    random, arguments = Random(f"{name} {seed}"), (COMMANDS | {ON_RAY: ON_RAY})[name].split()  # noqa: S311 - it draws moments
    prepare(folder, steps) if name == "check" else write_dump(folder / "dump.jsonl", steps)
    started = time.perf_counter()
    assert disturb(folder, arguments, signal.SIGKILL, 100).status == 0  # noqa: S101 - as above
    seconds, expected = time.perf_counter() - started, outputs(folder)
    finished = half = tracebacks = left = other = 0
    for turn in range(times):
        for output in expected:
            (folder / output).write_bytes(OLD)
        number = SIGNALS[turn % len(SIGNALS)]
        ended = disturb(folder, arguments, number, random.uniform(0, seconds))
        finished += ended.status == 0
        half += sum(not is_whole(each, found, expected[each]) for each, found in outputs(folder).items())
        # A traceback from before the command line has begun is the interpreter's.
        tracebacks += number != signal.SIGKILL and 'cli.py", line' in ended.errors
        left += number != signal.SIGKILL and bool(left_behind(folder))
        again = disturb(folder, arguments, signal.SIGKILL, 100)
        other += again.status != 0 or outputs(folder) != expected or bool(unfinished(folder, ".shards"))
        shutil.rmtree(folder / "tmp")
    return Figures(times, finished, half, tracebacks, left, other)


def left_behind(folder: Path) -> list[str]:
    """Return the files that a program has left: temporary ones, and what it had begun to write."""
    # Ray keeps its logs.
    return unfinished(folder) + [path.name for path in (folder / "tmp").iterdir() if path.name != "ray"]


def unfinished(folder: Path, *more: str) -> list[str]:
    """Return what stands beside the outputs and is none; only SIGKILL leaves more, among temporary files."""
    return [path.name for path in folder.iterdir() if path.name.endswith((".new", *more))]


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
        assert server.stderr is not None  # noqa: S101 - it is a pipe
        said = server.stderr.readline() if ready else ""
        time.sleep(moment)
        server.send_signal(number)
        said += server.stderr.read()
    return asking, Ended(server.returncode, said)


def free_port() -> int:
    """Return a port that nobody listens to."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


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
    assert ended.status == 0, ended.errors  # noqa: S101 - or nothing that follows says anything
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


# --- A cluster --------------------------------------------------------------------------------------------

ON_RAY = "audit dump.jsonl --observe --ray local --json report.json --scored scored.jsonl"


def score_workers(pid: int) -> list[int]:
    """Return the processes that score for a program."""
    found = subprocess.run(
        ["ps", "-eo", "pid,ppid,args"],  # noqa: S607 - wherever it lies
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split(None, 2) for line in found.stdout.splitlines()[1:]]
    parents = {int(row[0]): int(row[1]) for row in rows}

    def ours(each: int) -> bool:
        while each and each != pid:
            each = parents.get(each, 0)
        return each == pid

    return [int(row[0]) for row in rows if row[2].startswith("ray::_score") and ours(int(row[0]))]


def lost_workers(folder: Path, times: int, seed: int = 0) -> Figures:
    """Kill a worker of a cluster in the middle, so many times: nobody should see it in the results."""
    random, arguments = Random(seed), ON_RAY.split()  # noqa: S311 - it draws moments
    write_dump(folder / "dump.jsonl", 400)
    assert disturb(folder, COMMANDS["audit --scored"].split(), signal.SIGKILL, 100).status == 0  # noqa: S101
    expected, killed, other = outputs(folder), 0, 0
    for _ in range(times):
        for output in expected:
            (folder / output).unlink()
        with (folder / "errors.txt").open("w") as stream:
            process = subprocess.Popen(command(arguments), cwd=folder, stderr=stream)  # noqa: S603 - ourselves
            while process.poll() is None and not score_workers(process.pid):
                time.sleep(0.01)
            time.sleep(random.uniform(0, 1))
            for worker in random.choices(score_workers(process.pid) or [0], k=1):
                killed += bool(worker)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL) if worker else None
        other += process.wait(120) != 0 or outputs(folder) != expected
    return Figures(times, times - killed, 0, 0, 0, other)


# --- Several that write one file --------------------------------------------------------------------------


def together(folder: Path, name: str, times: int) -> Figures:
    """Start a command on two dumps at the same moment, both into the same files; see whose is there."""
    arguments = COMMANDS[name].split()
    write_dump(folder / "other.jsonl", 30)
    prepare(folder, 60)
    expected = []
    for dump in ("dump.jsonl", "other.jsonl"):
        disturb(folder, [dump if each == "dump.jsonl" else each for each in arguments], signal.SIGKILL, 100)
        expected.append(outputs(folder))
    half = other = left = 0
    for _ in range(times):
        started = [
            subprocess.Popen(  # noqa: S603 - ourselves
                command([dump if each == "dump.jsonl" else each for each in arguments]),
                cwd=folder,
                stderr=subprocess.DEVNULL,
            )
            for dump in ("dump.jsonl", "other.jsonl")
        ]
        other += sum(process.wait(120) not in (0, 1) for process in started)
        found = outputs(folder)
        half += any(content not in (each.get(key) for each in expected) for key, content in found.items())
        left += bool(unfinished(folder))
    return Figures(2 * times, 2 * times - other, half, 0, left, other)


# --- Calls that Ctrl-C breaks off -------------------------------------------------------------------------


OURS = (
    str(Path(coherence.__file__).parent / "monitor.py"),
    str(Path(coherence.__file__).parent / "runfolder.py"),
)
LOW = "Budy Budy Budy Budy "


def break_off(call: Callable[[], object], at: int, instructions: bool) -> int | None:
    """Make a call and press Ctrl-C at its so many-eth line, or instruction; how many there are if it ends."""
    seen = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        if frame.f_code.co_filename not in (*OURS, contextlib.__file__):
            return None
        frame.f_trace_opcodes = instructions
        if event == ("opcode" if instructions else "line"):
            seen += 1
            if seen == at:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return None
    finally:
        sys.settrace(before)
    return seen


CALLS: dict[str, Callable[[Monitor], object]] = {
    "loss": lambda monitor: monitor.loss(7, 2.5, "docs"),
    "samples": lambda monitor: monitor.sample(7, [LOW, LOW * 2, LOW * 3], "Budy"),
    "loss of an earlier step": lambda monitor: monitor.loss(2, 2.5, "docs"),
    "note": lambda monitor: monitor.note("pivot", 6, brought_in="code"),
}


def train(folder: Path, status_every: int) -> Monitor:
    """Return a monitor in the middle of a run."""
    monitor = Monitor(folder, vocab_size=99, gate=Gate(patience=1000), window=3, status_every=status_every)
    for step in range(6):
        monitor.loss(step, 5.0 - step / 9, "docs" if step % 2 else "code")
        monitor.sample(step, LOW * (1 + step))
    return monitor


def calls(
    folder: Path,
    name: str,
    status_every: int,
    instructions: bool,
    goes_on: bool,
    every: int = 1,
    first: int | None = None,
) -> tuple[int, int, int]:
    """Break a call off wherever it can be; return how many places, wrong states and torn lines there are."""
    wrong = torn = 0
    for places, at in enumerate(count(every if first is None else first, every)):
        run = folder / f"{at}"
        with train(run, status_every) as monitor:
            if break_off(lambda: CALLS[name](monitor), at, instructions) is not None:
                return places, wrong, torn
            if goes_on:
                monitor.loss(8, 2.0, "code")
        with train_on(run) as again:
            found = again.state_dict(), again.last_step
        (run / "gate.json").unlink()
        with train_on(run) as again:
            wrong += found != (again.state_dict(), again.last_step)
        torn += sum(not is_row(line) for line in lines_of(run))
        shutil.rmtree(run)
    raise AssertionError("a call has an end")


def lines_of(run: Path) -> list[bytes]:
    """Return the lines of a run."""
    return [line for file in run.glob("*.jsonl") for line in file.read_bytes().splitlines(keepends=True)]


def train_on(folder: Path) -> Monitor:
    """Open the run once more."""
    return Monitor(folder, vocab_size=99, gate=Gate(patience=1000), window=3)


def is_row(line: bytes) -> bool:
    """Tell whether a line is whole."""
    with contextlib.suppress(ValueError):
        return isinstance(json.loads(line), dict) and line.endswith(b"\n")
    return False


# --- A slow disk ------------------------------------------------------------------------------------------


def fill(path: Path, ended: threading.Event) -> None:
    """Keep a disk busy."""
    with path.open("wb") as file:
        while not ended.is_set():
            file.seek(0)
            file.write(os.urandom(2**16))
            file.flush()
            os.fsync(file.fileno())


def all_slow(times: int, _seed: int) -> bool:
    """Train on the disk of TMPDIR, which another keeps busy, and print how long calls take, in seconds."""
    kinds: dict[str, list[float]] = {"losses": [], "samples": [], "with a status": []}
    with tempfile.TemporaryDirectory() as place:
        run, ended = Path(place) / "run", threading.Event()
        other = threading.Thread(target=fill, args=(Path(place) / "other", ended))
        other.start()
        with train_on(run) as monitor:
            for call in range(50 * times):
                started = time.perf_counter()
                if call % 10:
                    monitor.loss(call, 5.0 - call / 9999)
                else:
                    monitor.sample(call, LOW * 50)
                kind = "with a status" if call % 100 == 0 else "losses" if call % 10 else "samples"
                kinds[kind].append(time.perf_counter() - started)
            expected, recording = monitor.state_dict(), monitor.recording
        ended.set()
        other.join()
        (run / "gate.json").unlink()
        with train_on(run) as again:
            kept = recording and again.state_dict() == expected
    for kind, taken in kinds.items():
        middle = sorted(taken)[len(taken) // 2]
        print(f"{len(taken)} {kind}: {middle:.6f} in the middle, {max(taken):.3f} at most", flush=True)
    print("as in memory" if kept else "other than in memory", flush=True)
    return kept


# --- No room, no descriptors ------------------------------------------------------------------------------


def refused(folder: Path, arguments: Sequence[str], limit: int, most: int) -> tuple[Ended, bool, bool]:
    """Run a command under a limit, then without; say how it ended, whether all was whole, and then too.

    The limit of a file's size stands for a full disk: the first so many bytes of a file are written, and the
    rest is refused, as where the room runs out.
    """
    expected = {path.name: path.read_bytes() for path in (folder / "expected").iterdir()}
    for name in expected:
        (folder / name).write_bytes(OLD)
    run = subprocess.run(  # noqa: S603 - ourselves
        command(arguments),
        cwd=folder,
        capture_output=True,
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
        preexec_fn=lambda: resource.setrlimit(limit, (most, most)),
        check=False,
        timeout=120,
    )
    found = outputs(folder)
    whole = all(found.get(name) in (OLD, content) for name, content in expected.items())
    whole = whole and not left_behind(folder)
    again = disturb(folder, arguments, signal.SIGKILL, 100)
    ended = Ended(run.returncode, run.stderr.decode(errors="replace"))
    return ended, whole, again.status == 0 and outputs(folder) == expected


def limits(folder: Path, name: str, limit: int, values: Iterable[int], steps: int = 60) -> Figures:
    """Run one command under each of the limits."""
    arguments = COMMANDS[name].split()
    prepare(folder, steps)
    assert disturb(folder, arguments, signal.SIGKILL, 100).status == 0  # noqa: S101 - or nothing follows
    (folder / "expected").mkdir()
    for output, content in outputs(folder).items():
        (folder / "expected" / output).write_bytes(content)
    faults = finished = half = tracebacks = other = 0
    for most in values:
        ended, whole, same = refused(folder, arguments, limit, most)
        faults, finished = faults + 1, finished + (ended.status == 0)
        half += not whole
        began = 'cli.py", line' in ended.errors
        tracebacks += began or (ended.status not in (0, 2) and "Fatal Python" not in ended.errors)
        other += not same
    return Figures(faults, finished, half, tracebacks, 0, other)


def main() -> int:
    """Disturb, and print the figures."""
    parser = argparse.ArgumentParser(description="Disturb what runs, and see what it has lost.")
    parser.add_argument("--times", type=int, default=40, help="signals for each command")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", choices=PARTS, help="one of the parts")
    options = parser.parse_args()
    names = [options.only] if options.only else [name for name in PARTS if name not in ON_DEMAND]
    kept = [PARTS[name](options.times, options.seed) for name in names]
    return 0 if all(kept) else 1


def show(name: str, figures: Figures | Served | Trained) -> bool:
    """Print figures; tell whether everything was kept."""
    told = ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in figures._asdict().items())
    print(f"{name:<40} {told}", flush=True)
    return figures.kept


def all_programs(times: int, seed: int) -> bool:
    """Disturb each command."""
    kept = []
    for name in COMMANDS:
        with tempfile.TemporaryDirectory() as folder:
            kept.append(show(f"signals, {name}", programs(Path(folder), name, times, seed=seed)))
    return all(kept)


def all_servers(times: int, seed: int) -> bool:
    """Tell servers to end."""
    with tempfile.TemporaryDirectory() as folder:
        return show("signals, serve", serving(Path(folder), times, seed))


def all_trainings(times: int, seed: int) -> bool:
    """Tell the example to end."""
    with tempfile.TemporaryDirectory() as folder:
        return show("signals, examples/train_tiny.py", training(Path(folder), times, seed))


def all_on_ray(times: int, seed: int) -> bool:
    """Disturb an audit on a cluster, and then its workers."""
    with tempfile.TemporaryDirectory() as folder:
        kept = show("signals, audit --ray local", programs(Path(folder), ON_RAY, times, seed=seed))
    with tempfile.TemporaryDirectory() as folder:
        return show("SIGKILL of a worker of Ray", lost_workers(Path(folder), times, seed)) and kept


def all_together(times: int, _seed: int) -> bool:
    """Let two commands write the same files."""
    kept = []
    for name in COMMANDS:
        if "--scored" not in COMMANDS[name]:  # of those the second is refused
            with tempfile.TemporaryDirectory() as folder:
                kept.append(show(f"two at once, {name}", together(Path(folder), name, times)))
    return all(kept)


def all_calls(_times: int, seed: int, instructions: bool = False) -> bool:
    """Break off each call at each line, or at every seventeenth instruction; the seed says at which."""
    stride = (17, 1 + seed % 17) if instructions else (1, 1)
    kept, what = [], "instructions" if instructions else "lines"
    for name in CALLS:
        for goes_on in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                places, wrong, torn = calls(Path(folder), name, 3, instructions, goes_on, *stride)
            then = "and the loop goes on" if goes_on else "and the run ends"
            print(f"Ctrl-C, {name}, {then}: {places} {what}, {wrong} wrong, {torn} lines torn", flush=True)
            kept.append(not wrong and not torn)
    return all(kept)


def all_sizes(times: int, seed: int) -> bool:
    """Give each command too little room."""
    random, kept = Random(seed), []  # noqa: S311 - it draws sizes
    for name in COMMANDS:
        sizes = sorted(
            random.choice([random.randint(0, 500), random.randint(0, 90_000)]) for _ in range(times)
        )
        with tempfile.TemporaryDirectory() as folder:
            kept.append(show(f"no room, {name}", limits(Path(folder), name, resource.RLIMIT_FSIZE, sizes)))
    return all(kept)


def all_descriptors(times: int, _seed: int) -> bool:
    """Give each command too few files; with fewer than five Python itself does not start."""
    kept = []
    for name in COMMANDS:
        with tempfile.TemporaryDirectory() as folder:
            found = limits(Path(folder), name, resource.RLIMIT_NOFILE, range(5, 5 + min(times, 30)))
            kept.append(show(f"no descriptors, {name}", found))
    return all(kept)


PARTS: dict[str, Callable[[int, int], bool]] = {
    "programs": all_programs,
    "server": all_servers,
    "together": all_together,
    "example": all_trainings,
    "ray": all_on_ray,
    "calls": all_calls,
    "instructions": lambda times, seed: all_calls(times, seed, instructions=True),
    "slow": all_slow,
    "disk": all_sizes,
    "descriptors": all_descriptors,
}

ON_DEMAND = ("instructions", "example", "ray", "slow")
"""Parts that take long, or need what is not always installed."""

if __name__ == "__main__":
    sys.exit(main())
