"""The audit of a dump, whatever its size: found, cut into shards, scored, and replayed run by run.

Source: docs/report.md, "Large dumps".
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import NamedTuple

from coherence.audit import Options, Told, audit_run, replay_run, settings_record, wasted_steps
from coherence.digest import Digest
from coherence.dump import Dump, cut, prompts_of, read_events, read_losses
from coherence.lossrows import Losses
from coherence.outputs import Output
from coherence.readers import formats, storage
from coherence.readers.files import RunFiles, find_runs
from coherence.readers.lines import LISTED, Problems, file_name
from coherence.records import DiagnosisRecord, Ranking, Report, RunLine
from coherence.replay import Judged, Replay
from coherence.runfolder import RunFolderBusy, lock_folder
from coherence.scored import Writer, check_target
from coherence.shards import Settings, Shard
from coherence.timeline import Timeline
from coherence.workers import ATTEMPTS, Runner, here, score_into

WORTH_COMPILING = 16 * 2**20
"""Bytes of a dump from which on the compiled scorer pays: the first time on a machine it is compiled."""

SHOWN = 3
"""Names that a note lists."""


class Request(NamedTuple):
    """What to audit, and how.

    Attributes:
        paths: files, folders, patterns or URLs; `-` is standard input.
        loss: where the losses are, if not beside the samples or among them.
        format: of the samples, if their content does not tell.
        prompt_field: the key of the prompt, if it is none of the usual.
        options: of the audit.
        scored: where the scored samples go, `.jsonl` or `.parquet`.
    """

    paths: Sequence[str]
    loss: str | None = None
    format: str | None = None
    prompt_field: str | None = None
    options: Options = Options()
    scored: str | None = None


class Job(NamedTuple):
    """A dump made ready to be scored.

    Attributes:
        runs: its files.
        shards: what they are cut into.
        settings: how to score them.
    """

    runs: list[RunFiles]
    shards: list[Shard]
    settings: Settings


def audit_paths(request: Request) -> Report | Ranking:
    """Audit a dump in this process: one run gives a report, several a ranking.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: there are no samples, or an option is out of range.
    """
    return audit_dump(request, prepare(request), here, lambda _output: None)[0]


def prepare(request: Request) -> Job:
    """Find the files of a dump and cut them into shards.

    Raises:
        OSError: a file cannot be read.
        ValueError: there are no samples, or a file is not what it was taken for.
    """
    if request.scored is not None:
        check_target(request.scored)
    runs = find_runs(request.paths, request.loss, request.format)
    options = request.options
    settings = Settings(False, (), request.prompt_field, options.lexicon, options.profile)
    shards = cut(runs)
    size = sum(storage.size(file.path) for run in runs for file in run.samples)
    fast = size >= WORTH_COMPILING and find_spec("numba") is not None
    return Job(runs, shards, settings._replace(fast=fast, prefixes=prompts_of(shards, settings)))


def audit_dump(
    request: Request,
    job: Job,
    runner: Runner,
    done: Callable[[Output], None],
    see: Sequence[Callable[[Judged], None]] = (),
) -> tuple[Report | Ranking, Dump]:
    """Score a dump and audit it: one run gives a report, several a ranking.

    Args:
        request: what was asked for.
        job: the dump, made ready.
        runner: what scores its shards.
        done: is shown the output of each shard.
        see: each is shown every judged sample of a dump of one run, in the order of the steps.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: there are no samples, or an option is out of range.
    """
    with _work_folder(request.scored) as folder:
        outputs, aside = score_into(folder, job.shards, job.settings, runner, done)
        dump = Dump(outputs, job.settings)
        problems = dump.problems()
        partial = len(outputs) + len(aside) < len(job.shards)
        if not dump.runs and partial:
            raise ValueError(f"{request.paths[0]}: broken off before any sample was scored")
        if not dump.runs:
            raise ValueError(f"{request.paths[0]}: no samples in it{_first_problem(problems)}")
        losses = _losses(job.runs, problems, required=request.loss is not None)
        told = Told((), problems.count, problems.listed, (), partial)
        told = told._replace(notes=[*_notes(job), *(_set_aside(shard) for shard in aside)])
        with Writer(request.scored, dump) as writer:
            found: Report | Ranking
            if len(dump.runs) == 1:
                found = _report(dump, job.runs[0], losses, request.options, told, writer, see)
            else:
                found = _ranking(dump, job.runs, losses, request.options, told, writer)
    if folder.exists() and not partial:
        shutil.rmtree(folder)
    return found, dump


@contextmanager
def _work_folder(scored: str | None) -> Iterator[Path]:
    """Where the outputs of the shards lie: beside what is asked for, so that a second start goes on."""
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


def _losses(runs: Sequence[RunFiles], problems: Problems, required: bool) -> dict[str, Losses]:
    """Return the losses of each run, by its name."""
    found: dict[str, Losses] = {}
    for run in runs:
        noted = Problems()
        found |= read_losses(run.losses, run.name if len(runs) > 1 else None, noted)
        if required and not found:
            raise ValueError(f"{run.losses[0].path}: no losses in it{_first_problem(noted)}")
        # Of a file that holds samples as well it was told already what is wrong with its lines.
        if not {file.path for file in run.samples}.intersection(file.path for file in run.losses):
            problems.count += noted.count
            problems.listed += noted.listed[: LISTED - len(problems.listed)]
    return found


def _first_problem(problems: Problems) -> str:
    if not problems.listed:
        return ""
    first = problems.listed[0]
    return f" that could be used; {first.file}:{first.line}: {first.message}"


def _notes(job: Job) -> list[str]:
    notes = [note for run in job.runs for note in run.notes]
    kinds = list(dict.fromkeys(file.format for run in job.runs for file in run.samples))
    notes.append(f"samples read as {', '.join(formats.named(kind).NAME for kind in kinds)}")
    files = [file for run in job.runs for file in run.losses]
    if files:
        paths = [file_name(file.path) for file in files]
        more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
        notes.append(f"loss from {', '.join(paths[:SHOWN])}{more} ({formats.named(files[0].format).NAME})")
    if prefixes := job.settings.prefixes:
        shown = ", ".join(f"«{prefix}»" for prefix in prefixes[:SHOWN])
        more = f" and {len(prefixes) - SHOWN} more" if len(prefixes) > SHOWN else ""
        notes.append(f"taken for prompts, for samples of many steps begin so: {shown}{more}")
    return notes


def _set_aside(shard: Shard) -> str:
    parts = [piece.part for piece in shard.pieces]
    where = file_name(parts[0].path) + (f" from byte {parts[0].start:,}" if parts[0].end is not None else "")
    more = f" and {len(parts) - 1} more" if len(parts) > 1 else ""
    return f"set aside, not scored: {where}{more}: it killed its worker {ATTEMPTS} times"


def _report(
    dump: Dump,
    run: RunFiles,
    losses: Mapping[str, Losses],
    options: Options,
    told: Told,
    writer: Writer,
    see: Sequence[Callable[[Judged], None]],
) -> Report:
    (name,) = dump.runs
    own = losses.get(name) or (next(iter(losses.values())) if len(losses) == 1 else None)
    notes = list(told.notes) if run.losses else [*told.notes, *_own_losses(dump, name)]
    told = told._replace(notes=notes, events=read_events(run.losses))
    options = _with_vocab_size(options, run)
    return audit_run(Timeline(dump.outputs, name), own, options, dump.texts, told, [writer.of(name), *see])


def _own_losses(dump: Dump, run: str) -> list[str]:
    with_loss = any(chunk.rows["has_loss"].any() for chunk in Timeline(dump.outputs, run))
    return ["loss from the samples' own rows"] if with_loss else []


def _with_vocab_size(options: Options, run: RunFiles) -> Options:
    return options if options.vocab_size is not None else replace(options, vocab_size=run.vocab_size)


def _ranking(
    dump: Dump,
    files: Sequence[RunFiles],
    losses: Mapping[str, Losses],
    options: Options,
    told: Told,
    writer: Writer,
) -> Ranking:
    lines = []
    numbers = {run.name: number for number, run in reversed(list(enumerate(files)))}
    longest = max(map(len, numbers)) + 1
    for name in dump.runs:
        run = files[_number_of(f"{name}/"[:longest], numbers)]
        timeline, own = Timeline(dump.outputs, name), _with_vocab_size(options, run)
        lines.append(_line(name, *replay_run(timeline, losses.get(name), own, [writer.of(name)])))
    lines.sort(key=_rank)
    return Ranking(
        halt=any(line.halt for line in lines),
        runs=tuple(lines),
        partial=told.partial,
        notes=tuple(told.notes),
        problem_count=told.problem_count,
        problems=tuple(told.problems),
        settings=settings_record(options),
    )


def _number_of(run: str, numbers: Mapping[str, int]) -> int:
    """Return the number of the files that a run is of: those named as it is, or as it is up to a slash."""
    ends = [place for place, character in enumerate(run) if character == "/"]
    return min((numbers[run[:end]] for end in ends if run[:end] in numbers), default=0)


def _line(name: str, replay: Replay, digest: Digest) -> RunLine:
    halted = replay.halted
    return RunLine(
        run=name,
        halt=halted is not None,
        halt_step=halted.verdict.step if halted else None,
        first_low_step=digest.first_low_step,
        last_step=replay.last_step(),
        judged=digest.judged,
        low=digest.low,
        scores=digest.means,
        smma=replay.loss.smma,
        diagnosis=DiagnosisRecord.of(replay.diagnosis),
        resume_from=replay.resume_from,
        wasted_steps=wasted_steps(replay),
    )


def _rank(line: RunLine) -> tuple[bool, float, float, float]:
    scores = [value for _, value in line.scores if value is not None]
    mean = sum(scores) / len(scores) if scores else 0.0
    return line.halt, line.low / max(1, line.judged), -mean, inf if line.smma is None else line.smma
