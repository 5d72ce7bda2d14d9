"""The audit of a dump of any size: files are found, cut into shards, scored, and replayed run by run.

Source: docs/report.md, "Large dumps".
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import fsum, inf
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from coherence.audit.build import ReaderNotes, audit_run, replay_run, report_of, wasted_steps
from coherence.audit.dump import Dump
from coherence.audit.losses import Losses, Series, last_phase, read_losses, read_marks, read_metrics
from coherence.audit.plan import Job, Options, Request, prepare, yardstick
from coherence.audit.replay import Replay, RunRecord
from coherence.audit.rows import GatedSample
from coherence.audit.runners import ATTEMPTS, Runner, here, score_into
from coherence.audit.shard import Shard
from coherence.audit.store import Output
from coherence.audit.summary import Summary
from coherence.audit.table import Writer
from coherence.audit.timeline import Restarts, Timeline
from coherence.files import RunFolderBusy, lock_folder
from coherence.readers import storage
from coherence.readers.find import RunFiles
from coherence.readers.format import USUAL, Fields, no_step
from coherence.readers.lines import Problems, file_name
from coherence.readers.read import take_notes
from coherence.readers.recognise import by_key
from coherence.readers.records import Mark
from coherence.report import DiagnosisRecord, ProblemRecord, Ranking, Report, RunLine, SettingsRecord
from coherence.signals.both import DELETED, SAVED
from coherence.signals.settings import DEFAULTS, Entry

T = TypeVar("T")

SHOWN = 3
"""Names that a note lists."""

BEFORE_ALL = -1
"""A step lower than any other."""

SeeRun = Callable[[str, Report, Mapping[str, GatedSample]], None]
"""Is shown one of several runs: its name, its report without texts, and samples to read, by what each is."""


def audit(
    *paths: str | Path,
    loss: str | None = None,
    format: str | None = None,  # noqa: A002 - as the option of the command
    fields: Fields = USUAL,
    scored: str | None = None,
    seconds_per_step: float | None = None,
    **settings: Any,
) -> Report | Ranking:
    r"""Audit the output of a trainer: one run gives a report, several give a ranking.

    The dump is scored in this process; the command `coherence audit` can also score it in several, or on a
    cluster.

    Args:
        paths: files, folders, patterns or URLs; `-` is standard input.
        loss: where the losses are, if not next to or inside the samples.
        format: of the samples, if it cannot be detected.
        fields: the keys of text, step, prompt and loss, if not the usual ones.
        scored: where the scored samples go, `.jsonl` or `.parquet`.
        seconds_per_step: turns steps into time if samples have no times.
        settings: of the gate, by their names in `Settings`: `patience=3`, `profile="code"`. Others are as
            the run folder states them, or the defaults.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: there are no samples, or a setting is out of range.

    >>> import json, tempfile
    >>> lines = [json.dumps({"step": step, "text": "Budy " * 20}) for step in range(1, 10)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "samples.jsonl").write_text("\n".join(lines))
    ...     report = audit(folder)
    >>> report.halt_step, report.diagnosis.action
    (5, 'halt')
    """
    options = Options(seconds_per_step, **settings)
    request = Request(list(map(str, paths)), loss, format, fields, options, scored)
    return audit_dump(request, prepare(request), here, lambda _output: None)[0]


def audit_dump(
    request: Request,
    job: Job,
    runner: Runner,
    done: Callable[[Output], None],
    see: Sequence[Callable[[GatedSample], None]] = (),
    see_run: SeeRun | None = None,
) -> tuple[Report | Ranking, Dump]:
    """Score a dump and audit it: one run gives a report, several a ranking.

    Args:
        request: what to audit, and how.
        job: the dump, prepared for scoring.
        runner: scores its shards.
        done: is called with the output of each shard.
        see: functions that are called with every judged sample, in the order of the steps, if the dump is
            one run.
        see_run: is called with each run of a dump of several.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: there are no samples, or an option is out of range.
        KeyboardInterrupt: it was interrupted before any sample was scored.
    """
    with _work_folder(request.scored) as folder:
        outputs, aside = score_into(folder, job.shards, job.settings, runner, done)
        dump = Dump(outputs, job.settings)
        problems = dump.problems()
        partial = len(outputs) + len(aside) < len(job.shards)
        if not dump.runs and partial:
            raise KeyboardInterrupt(f"{file_name(request.paths[0])}: interrupted before a sample was scored")
        _refuse(request, dump, problems, partial)
        series = _series(job.runs, request.fields)
        required = request.loss is not None and not series
        losses = _losses(job.runs, problems, request.fields, required)
        seen = take_notes(problems)
        notes = [*_notes(job, losses), *job.notes, *seen, *dump.without_step()]
        notes += [_set_aside(shard) for shard in aside]
        # A remark about a file may have been noted already when the file was found.
        once = list(dict.fromkeys(notes))
        reader_notes = ReaderNotes(once, problems.count, problems.listed, (), partial)
        logged = _Logged(losses, series)
        with Writer(request.scored, dump) as writer:
            found: Report | Ranking
            if len(dump.runs) == 1:
                found = _report(dump, job.runs[0], logged, request.options, reader_notes, writer, see)
            else:
                found = _ranking(dump, job.runs, logged, request.options, reader_notes, writer, see_run)
    if folder.exists() and not partial:
        shutil.rmtree(folder)
    return found, dump


def _refuse(request: Request, dump: Dump, problems: Problems, partial: bool) -> None:
    """Raise an error if there are no samples, or none has a step where the user said."""
    path, field = request.paths[0], request.fields.step
    if not dump.runs:
        raise ValueError(f"{path}: no samples in it{problems.first_in_words}")
    stretches = [each for output in dump.outputs for each in output.stretches.values()]
    if field and not partial and all(each.without == each.rows for each in stretches):
        raise ValueError(no_step(field, path))


@contextmanager
def _work_folder(scored: str | None) -> Iterator[Path]:
    """Yield the folder of the outputs of the shards: next to the result, so that a second start resumes."""
    if scored is not None and not storage.is_url(scored):
        beside = Path(f"{scored}.shards")
        try:
            lock = lock_folder(beside)
        except RunFolderBusy as busy:
            raise ValueError(str(busy)) from busy
        with lock:
            yield beside
        return
    with tempfile.TemporaryDirectory(prefix="coherence-") as folder:
        yield Path(folder)


def _losses(
    runs: Sequence[RunFiles], problems: Problems, fields: Fields, required: bool
) -> dict[str, Losses]:
    """Return the losses of each run, by its name."""
    found: dict[str, Losses] = {}
    for run in runs:
        noted = Problems()
        found |= read_losses(run.losses, run.name if len(runs) > 1 else None, noted, fields)
        if required and not found and not noted.remarks:
            raise ValueError(f"{run.losses[0].path}: no losses in it{noted.first_in_words}")
        # If a file also holds samples, the problems of its lines were noted already.
        if not {file.path for file in run.samples}.intersection(file.path for file in run.losses):
            problems += noted
        problems.remarks |= noted.remarks
    return found


def _series(runs: Sequence[RunFiles], fields: Fields) -> dict[str, dict[str, Series]]:
    """Return rewards and similar metrics of each run, by its name."""
    found: dict[str, dict[str, Series]] = {}
    for run in runs:
        found |= read_metrics(run.metrics, run.name if len(runs) > 1 else None, fields)
    return found


class _Logged(NamedTuple):
    """Losses and metrics of the runs, by their names, from files other than those of samples."""

    losses: Mapping[str, Losses]
    series: Mapping[str, Mapping[str, Series]]

    def of(self, run: str, alone: bool = False) -> tuple[Losses | None, Mapping[str, Series], Sequence[str]]:
        """Return what was logged of a run and notes about it; if it is the only run, under any name."""
        losses, series = _of(self.losses, run, alone), _of(self.series, run, alone) or {}
        if losses is None and (phase := last_phase(self.losses, run)):
            return self.losses[phase], series, [_of_phase(phase)]
        return losses, series, ()


def _of(found: Mapping[str, T], run: str, alone: bool) -> T | None:
    return found.get(run) or (next(iter(found.values())) if alone and len(found) == 1 else None)


def _notes(job: Job, losses: Mapping[str, Losses]) -> list[str]:
    notes = [note for run in job.runs for note in run.notes]
    kinds = list(dict.fromkeys(file.format for run in job.runs for file in run.samples))
    notes.append(f"samples read as {', '.join(by_key(kind).name for kind in kinds)}")
    files = [file for run in job.runs for file in run.losses]
    if files and losses:
        paths = [file_name(file.path) for file in files]
        more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
        notes.append(f"loss from {', '.join(paths[:SHOWN])}{more} ({by_key(files[0].format).name})")
    if prefixes := job.settings.prefixes:
        shown = ", ".join(f"«{prefix}»" for prefix in prefixes[:SHOWN])
        more = f" and {len(prefixes) - SHOWN} more" if len(prefixes) > SHOWN else ""
        notes.append(f"treated as prompts, because samples at many steps start with them: {shown}{more}")
    return notes


def _set_aside(shard: Shard) -> str:
    parts = [piece.part for piece in shard.pieces]
    where = file_name(parts[0].path) + (f" from byte {parts[0].start:,}" if parts[0].end is not None else "")
    more = f" and {len(parts) - 1} more" if len(parts) > 1 else ""
    return f"skipped {where}{more}: it crashed its worker {ATTEMPTS} times"


def _report(
    dump: Dump,
    run: RunFiles,
    logged: _Logged,
    options: Options,
    reader_notes: ReaderNotes,
    writer: Writer,
    see: Sequence[Callable[[GatedSample], None]],
) -> Report:
    (name,) = dump.runs
    own, series, of_phase = logged.of(name, alone=True)
    notes = list(reader_notes.notes) if own is not None else [*reader_notes.notes, *_own_losses(dump, name)]
    notes += of_phase
    timeline, own, record = _as_it_went(dump, name, run, own, series)
    reader_notes = reader_notes._replace(notes=notes, events=_events(record))
    record = _with_saved(record, run, timeline)
    return audit_run(timeline, own, options, dump.texts, reader_notes, [*writer.of(name), *see], record)


def _events(record: RunRecord) -> list[Mark]:
    return [mark for mark in record.marks if mark.event not in (SAVED, DELETED)]


def _of_phase(phase: str) -> str:
    return f"the losses are of several runs, one after another; those of the last are used: {phase}"


def _own_losses(dump: Dump, run: str) -> list[str]:
    with_loss = any(chunk.rows["has_loss"].any() for chunk in Timeline(dump.outputs, run))
    return ["loss from the samples' own rows"] if with_loss else []


def _as_it_went(
    dump: Dump, name: str, run: RunFiles, losses: Losses | None, series: Mapping[str, Series]
) -> tuple[Timeline, Losses | None, RunRecord]:
    """Return the samples, losses and record of a run, in the order of writing if a monitor wrote them."""
    folder = run.folder
    marks = tuple(read_marks(folder.events if folder else run.losses))
    start = Entry(0.0, None, DEFAULTS._replace(vocab_size=run.vocab_size))
    history = folder.history if folder and folder.history else (start,)
    record = RunRecord(history, marks, series, file_name(run.samples[0].path))
    known = None
    if folder and set(run.losses) <= set(folder.events) and (losses is None or losses.written is not None):
        known = Restarts.of(marks)
    timeline = Timeline(dump.outputs, name, known)
    if timeline.as_written and known is not None and losses is not None:
        losses = losses.with_restarts(known)
    return timeline, losses, record


def _with_saved(record: RunRecord, run: RunFiles, timeline: Timeline) -> RunRecord:
    """Return the record to replay a run by: step by step, only the saved checkpoints matter.

    Those are the ones that were noted, or else the folders of checkpoints; that there are none before the
    first is known from the beginning.
    """
    if timeline.as_written:
        return record
    last = {mark.step: mark for mark in record.marks if mark.event in (SAVED, DELETED)}
    saved = tuple(mark for mark in last.values() if mark.event == SAVED)
    if not saved and run.saved:
        saved = tuple(Mark(None, SAVED, step) for step in (BEFORE_ALL, *run.saved))
    return record._replace(marks=saved)


def _ranking(
    dump: Dump,
    files: Sequence[RunFiles],
    logged: _Logged,
    options: Options,
    reader_notes: ReaderNotes,
    writer: Writer,
    see_run: SeeRun | None,
) -> Ranking:
    lines, notes = [], list(reader_notes.notes)
    numbers = {run.name: number for number, run in reversed(list(enumerate(files)))}
    longest = max(map(len, numbers)) + 1
    for name in dump.runs:
        run = files[_number_of(f"{name}/"[:longest], numbers)]
        own, series, of_phase = logged.of(name)
        notes += of_phase
        timeline, own, record = _as_it_went(dump, name, run, own, series)
        record = _with_saved(record, run, timeline)
        replay, summary = replay_run(timeline, own, options, writer.of(name), record)
        lines.append(_line(name, replay, summary))
        if see_run is not None:
            report = report_of(replay, summary, timeline, ReaderNotes(events=_events(record)))
            see_run(name, report, _worth_reading(replay, summary))
    lines.sort(key=_rank)
    return Ranking(
        halt=any(line.halt for line in lines),
        runs=tuple(lines),
        partial=reader_notes.partial,
        notes=tuple(notes),
        problem_count=reader_notes.problem_count,
        problems=tuple(map(ProblemRecord.of, reader_notes.problems)),
        settings=SettingsRecord.of(options.over(yardstick(files)[0])),
    )


def _worth_reading(replay: Replay, summary: Summary) -> dict[str, GatedSample]:
    """Return the samples of a run to read, by what each is: the best, and that of the halt or the worst."""
    found = {"the best sample": summary.best, "the worst sample": summary.worst}
    if replay.halted is not None and not replay.superseded:
        found |= {"the worst sample": [], "the sample that halted it": [replay.halted]}
    return {what: samples[0] for what, samples in found.items() if samples}


def _number_of(run: str, numbers: Mapping[str, int]) -> int:
    """Return the number of the files of a run: those of its whole name, or of its name up to a slash."""
    ends = [place for place, character in enumerate(run) if character == "/"]
    return min((numbers[run[:end]] for end in ends if run[:end] in numbers), default=0)


def _line(name: str, replay: Replay, summary: Summary) -> RunLine:
    halted = replay.halted
    return RunLine(
        run=name,
        halt=halted is not None,
        halt_step=halted.verdict.step if halted else None,
        first_low_step=summary.first_low_step,
        last_step=replay.last_step(),
        judged=summary.judged,
        low=summary.low,
        scores=summary.means,
        smoothed=replay.signals.loss.smoothed,
        observed=replay.settings.observe,
        diagnosis=DiagnosisRecord.of(replay.diagnosis),
        resume_from=replay.place.step,
        wasted_steps=wasted_steps(replay),
    )


def _rank(line: RunLine) -> tuple[bool, float, float, float]:
    scores = [value for value in line.scores.values if value is not None]
    mean = fsum(scores) / len(scores) if scores else 0.0
    return line.halt, line.low / max(1, line.judged), -mean, inf if line.smoothed is None else line.smoothed
