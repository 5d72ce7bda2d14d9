"""What `coherence watch` does, once its options are read."""

import logging
import math
import signal
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any, Self

from coherence.cli.named import check_outputs, fields_of
from coherence.readers.folders import Asked
from coherence.report import finite_or_none
from coherence.run.alerts import TrackioAlert, WandbAlert, Webhook, finish
from coherence.run.monitor import HaltedRun, Monitor
from coherence.scoring.profile import SCALES
from coherence.show.say import inform, say
from coherence.show.terminal_score import plain_number, plain_score
from coherence.signals.gate import Gate
from coherence.watch.finder import Finder
from coherence.watch.follow import Follower, Judged
from coherence.watch.record import Record
from coherence.watch.sampler import Sampler
from coherence.watch.tell import Halt, halt_of, tell

FINE, HALTED = 0, 1

OWN = "_coherence"
"""The run folder, below what is followed: readers leave out what is named so."""

log = logging.getLogger("coherence")


def run(options: Namespace) -> int:
    """Follow a folder until the gate halts, or once."""
    folder = Path(options.folder)
    own = folder / OWN if options.run is None else Path(options.run)
    _check(options, folder, own)
    finder = Finder(folder, Asked(options.format, fields_of(options)), options.loss)
    with _log_for_a_person():
        try:
            monitor = _open(options, own)
        except HaltedRun as error:
            halt = halt_of(folder, own, str(error))
            inform(f"coherence: {own}: halted before: {halt.reason}; --acknowledge-halt continues")
        else:
            with monitor:
                halted = _follow(options, monitor, finder)
            if not halted:
                return FINE
            halt = halt_of(folder, own, monitor.gate.halt_reason or "")
            inform(_words(halt), style="bold red")
        _tell(options, own, halt)
    return HALTED


def _check(options: Namespace, folder: Path, own: Path) -> None:
    """Refuse what cannot work before anything is written."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected the one that another process writes to")
    inside = own.resolve().is_relative_to(folder.resolve())
    if inside and not any(part[0] in "._" for part in own.resolve().relative_to(folder.resolve()).parts):
        raise ValueError(
            f"--run {own}: in the folder that is watched, where it would be read too; name it with _ at its "
            "beginning, or choose another place"
        )
    check_outputs(options)
    if (options.checkpoints is None) is not (options.sampler is None):
        raise ValueError(
            "--checkpoints and --sampler go together: where they appear, and what draws from them"
        )
    for name in ("poll", "timeout"):
        value = getattr(options, name)
        if not 0 < value < math.inf:
            raise ValueError(f"--{name} {value:g}; expected a number of seconds above 0")
    for name in options.alert or []:
        if name not in ("wandb", "trackio"):
            raise ValueError(f"--alert {name!r}; expected wandb or trackio")
    Gate(**_of_gate(options))
    if options.webhook is not None:
        Webhook(options.webhook)


def _of_gate(options: Namespace) -> dict[str, Any]:
    given = {name: getattr(options, name) for name in ("threshold", "patience", "window", "warmup")}
    given["observe_only"] = options.observe
    return {name: value for name, value in given.items() if value is not None}


def _open(options: Namespace, own: Path) -> Monitor:
    monitor = Monitor(
        own,
        options.vocab_size,
        profile=options.profile,
        acknowledge_halt=options.acknowledge_halt,
    )
    for name, value in _of_gate(options).items():
        setattr(monitor.gate, name, value)
    if options.acknowledge_halt and options.stop_file is not None:
        Path(options.stop_file).unlink(missing_ok=True)
    return monitor


class _Ending:
    """Notes Ctrl-C and SIGTERM, and raises only where nothing else is done: elsewhere they could be lost."""

    def __init__(self) -> None:
        self.noted = self._waits = False

    def __enter__(self) -> Self:
        self._before = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            ours = signal.getsignal(number) is signal.default_int_handler
            if ours and current_thread() is main_thread():
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: object) -> None:
        self.noted = True
        if self._waits:
            raise KeyboardInterrupt

    def wait(self, seconds: float) -> None:
        """Wait, unless the program is to end.

        Raises:
            KeyboardInterrupt: it is.
        """
        self._waits = True
        try:
            if self.noted:
                raise KeyboardInterrupt
            time.sleep(seconds)
        finally:
            self._waits = False


def _follow(options: Namespace, monitor: Monitor, finder: Finder) -> bool:
    """Read until the gate halts, or with `--once` until all is read; tell whether it has halted."""
    record = Record(monitor.folder)
    record.told = record.told and not options.acknowledge_halt
    with _Ending() as ending, _sampler(options, monitor.folder) as sampler:
        follower = Follower(
            monitor,
            record,
            finder,
            fields_of(options),
            sampler.drawn if sampler else tuple,
            lambda judged: inform(_line(monitor, judged), style="red" if judged.verdict.low else ""),
            lambda: ending.noted,
        )
        while True:
            if sampler:
                sampler.poll()
            follower.poll()
            if follower.halted:
                return True
            ending.wait(0)
            waits = follower.unsettled or (sampler is not None and sampler.is_busy)
            if options.once and not waits:
                return False
            ending.wait(options.poll)


@contextmanager
def _sampler(options: Namespace, own: Path) -> Iterator[Sampler | None]:
    if options.sampler is None:
        with nullcontext():
            yield None
        return
    found = Sampler(
        options.sampler, Path(options.checkpoints), own / "drawn", options.timeout, in_order=options.once
    )
    with closing(found):
        yield found


def _tell(options: Namespace, own: Path, halt: Halt) -> None:
    """Say that the run was halted to whom it is to be said, unless that was done before."""
    record = Record(own)
    stop_file = None if options.stop_file is None else Path(options.stop_file)
    if record.told:
        if stop_file is not None and not stop_file.exists():
            tell(halt, None, stop_file, options.timeout)
        return
    alerts = [{"wandb": WandbAlert, "trackio": TrackioAlert}[name]() for name in options.alert or []]
    for alert in [*alerts, *([Webhook(options.webhook)] if options.webhook else [])]:
        alert.say(_words(halt))
    if tell(halt, options.on_halt, stop_file, options.timeout):
        record.told = True
        record.save()
    finish()


def _line(monitor: Monitor, judged: Judged) -> str:
    """Return what came of the samples of a step, in a line."""
    verdict, metrics = judged.verdict, monitor.metrics
    scores = (f"{name} {plain_score(metrics.get(f'coherence/{name}'))}" for name in SCALES)
    what = f"step {verdict.step}: {judged.samples} sample{'' if judged.samples == 1 else 's'}"
    loss = finite_or_none(monitor.signals.loss.smoothed)
    told = "" if loss is None else f", loss {plain_number(loss)}"
    streak = f"streak {verdict.streak} of {verdict.patience}"
    return f"{what}, {', '.join(scores)}{told}; {streak}, {monitor.diagnosis.action}"


def _words(halt: Halt) -> str:
    step = "" if halt.step is None else f" at step {halt.step:,}"
    back = "" if halt.resume_from is None else f" Go back to step {halt.resume_from:,}."
    return f"{halt.folder} halted{step}: {halt.reason}.{back}"


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(f"coherence: {record.getMessage()}")


@contextmanager
def _log_for_a_person() -> Iterator[None]:
    """Show what is logged as every other line here."""
    handler = _Lines(logging.WARNING)
    log.addHandler(handler)
    before, log.propagate = log.propagate, False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = before
