"""Disturb commands: signals at random moments, several at once, a disk or a table that is full.

    python tests/campaigns/running.py --times 40

`programs` starts audit and check, sends SIGKILL, SIGTERM or Ctrl-C at a random moment, looks at what lies
there, starts the command once more and compares its results with those of a run that nobody disturbed. `ray`
does it to an audit on a cluster and to its workers; it needs ray, so it is done only when asked for.
`together` lets two commands write the same files. `disk` gives a command less room than it needs,
`descriptors` fewer open files. Ends with 1 where something was lost.
"""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

sys.path.append(str(Path(__file__).parents[2] / "tests/support"))
from disturbed import (
    COMMANDS,
    OLD,
    SIGNALS,
    Ended,
    Figures,
    command,
    disturb,
    is_whole,
    left_behind,
    main,
    outputs,
    prepare,
    show,
    unfinished,
    write_dump,
)

# --- Programs that are told to end ------------------------------------------------------------------------


def programs(folder: Path, name: str, times: int, steps: int = 200, seed: int = 0) -> Figures:
    """Disturb one command so many times."""
    random, arguments = Random(f"{name} {seed}"), (COMMANDS | {ON_RAY: ON_RAY})[name].split()  # noqa: S311 - it draws moments
    prepare(folder, steps) if name == "check" else write_dump(folder / "dump.jsonl", steps)
    started = time.perf_counter()
    assert disturb(folder, arguments, signal.SIGKILL, 100).status == 0
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
    assert disturb(folder, COMMANDS["audit --scored"].split(), signal.SIGKILL, 100).status == 0
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
    assert disturb(folder, arguments, signal.SIGKILL, 100).status == 0
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


# --- All of them ------------------------------------------------------------------------------------------


def all_programs(times: int, seed: int) -> bool:
    """Disturb each command."""
    kept = []
    for name in COMMANDS:
        with tempfile.TemporaryDirectory() as folder:
            kept.append(show(f"signals, {name}", programs(Path(folder), name, times, seed=seed)))
    return all(kept)


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


PARTS = {
    "programs": all_programs,
    "together": all_together,
    "ray": all_on_ray,
    "disk": all_sizes,
    "descriptors": all_descriptors,
}

if __name__ == "__main__":
    sys.exit(main(__doc__, PARTS, on_demand=["ray"]))
