"""Break off calls of the monitor with Ctrl-C, wherever they can be; or let them wait for a slow disk.

    python tests/campaigns/broken_calls.py
    TMPDIR=/mnt/slow python tests/campaigns/broken_calls.py --only slow

`lines` raises KeyboardInterrupt at every line of the monitor's own code, and looks whether state and lines
agree, whether the loop goes on or ends; `instructions` at every seventeenth instruction. `slow` says how long
calls take on the disk of TMPDIR while another writes to it. The last two are done only when asked for. Ends
with 1 where something was lost.
"""

import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import coherence
from coherence.run.monitor import Monitor

sys.path.append(str(Path(__file__).parents[2] / "tests/support"))
from disturbed import LOW, is_row, main, train, train_on

# --- Calls that Ctrl-C breaks off -------------------------------------------------------------------------


OURS = tuple(
    str(Path(coherence.__file__).parent / name)
    for name in ("run/monitor.py", "run/memory.py", "run/recorder.py", "run/folder.py", "files.py")
)


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
    "loss of an earlier step": lambda monitor: monitor.loss(-200, 2.5, "docs"),
    "note": lambda monitor: monitor.note("pivot", 6, brought_in="code"),
}


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


PARTS: dict[str, Callable[[int, int], bool]] = {
    "lines": all_calls,
    "instructions": lambda times, seed: all_calls(times, seed, instructions=True),
    "slow": all_slow,
}

if __name__ == "__main__":
    sys.exit(main(__doc__, PARTS, on_demand=["instructions", "slow"]))
