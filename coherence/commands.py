"""What each command of the command line does, once its options are read."""

import json
import math
import os
import sys
from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console

from coherence.audit import Options
from coherence.audit import audit as audit_run
from coherence.calibrate import measure
from coherence.lexicon import Lexicon
from coherence.loops import find_loop
from coherence.profile import Profile
from coherence.readers.files import loss_file, sample_files, text_files
from coherence.readers.lines import Problems, file_name
from coherence.readers.losses import read_events, read_losses
from coherence.readers.samples import read_samples
from coherence.records import FourScores, LossRow, Sample
from coherence.scores import score as score_text
from coherence.terminal import printable, show_problems, show_report, show_scores

__all__ = ["audit", "calibrate", "printable", "score"]

FINE, HALTED = 0, 1


def audit(options: Namespace) -> int:
    """Audit a run, print the report and write it where asked."""
    settings = _audit_options(options)
    problems, indexes = Problems(), Counter[int]()
    files = sample_files(options.paths)
    samples = [sample for path in files for sample in read_samples(path, problems, indexes)]
    if not samples:
        raise ValueError(f"{options.paths[0]}: no samples in it{_first_problem(problems)}")
    path = options.loss or loss_file(options.paths)
    losses, notes = _losses(path, samples, problems)
    events = list(read_events(path)) if path is not None else []
    report = audit_run(samples, losses, settings, notes, problems.count, problems.listed, events)
    show_report(report, _console())
    if options.json is not None:
        _write(options.json, report.model_dump_json(indent=2))
    return HALTED if report.halt and not options.observe else FINE


def _audit_options(options: Namespace) -> Options:
    per_step = options.seconds_per_step
    if per_step is not None and not (math.isfinite(per_step) and per_step >= 0):
        raise ValueError(f"seconds per step {per_step!r}; expected a number, 0 or more")
    return Options(
        threshold=options.threshold,
        patience=options.patience,
        window=options.window,
        warmup=options.warmup,
        observe=options.observe,
        vocab_size=_vocab_size(options.paths) if options.vocab_size is None else options.vocab_size,
        seconds_per_step=per_step,
        profile=Profile.load(options.profile),
    )


def _vocab_size(paths: list[Path]) -> int | None:
    """Return the vocabulary size that a run folder states in its run.json."""
    for path in paths:
        if (run := path / "run.json").is_file():
            try:
                size = json.loads(run.read_text(encoding="utf-8")).get("vocab_size")
            except (ValueError, AttributeError, RecursionError) as error:
                raise ValueError(f"{run}: not a JSON object: {error}") from error
            return size if isinstance(size, int) and not isinstance(size, bool) else None
    return None


def _first_problem(problems: Problems) -> str:
    if not problems.listed:
        return ""
    first = problems.listed[0]
    return f" that could be used; {first.file}:{first.line}: {first.message}"


def _losses(path: Path | None, samples: list[Sample], problems: Problems) -> tuple[list[LossRow], list[str]]:
    """Return the losses of the run, and a note on where they come from."""
    if path is not None:
        losses = list(read_losses(path, problems))
        if not losses:
            raise ValueError(f"{path}: no losses in it{_first_problem(problems)}")
        return losses, [f"loss from {file_name(path)}"]
    with_loss = {sample.step: sample for sample in reversed(samples) if sample.loss is not None}
    losses = [
        LossRow(step=step, loss=sample.loss, origin=sample.origin)
        for step, sample in sorted(with_loss.items())
        if sample.loss is not None
    ]
    return losses, ["loss from the samples' own rows"] if losses else []


def score(options: Namespace) -> int:
    """Score one text."""
    # What is cut off in the middle of a character, by `head -c` for instance, is still read.
    given = sys.stdin.buffer.read() if options.text == "-" else options.text.encode(errors="replace")
    text = given.decode(errors="replace")
    scores = score_text(text, options.prompt, profile=Profile.load(options.profile))
    loop = find_loop(text, options.prompt)
    shown = FourScores.of(scores)
    show_scores(shown, loop, scores.low(), scores.tokens, _console())
    if options.json is not None:
        found = {
            "format": 1,
            "scores": shown.model_dump(),
            "tokens": scores.tokens,
            "low": scores.low(),
            "loop": loop.model_dump() if loop else None,
        }
        _write(options.json, json.dumps(found, indent=2))
    return FINE


def calibrate(options: Namespace) -> int:
    """Measure a reference profile from corpora."""
    lexicon = Lexicon.from_file(options.words) if options.words else Lexicon.load()
    problems = Problems()
    sources = {str(corpus): _corpus_text(corpus, problems) for corpus in options.corpora}
    profile = measure(sources, options.name, lexicon)
    _write(options.output, _one_line_a_key(profile.to_json()))
    console = _console()
    console.print(f"{profile.tokens:,} tokens of {len(sources)} corpora")
    show_problems(problems.count, problems.listed, console)
    return FINE


def _one_line_a_key(values: dict[str, Any]) -> str:
    """Write JSON that a person can still look at: a profile has hundreds of points."""
    return (
        "{\n"
        + ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in values.items())
        + "\n}"
    )


def _corpus_text(corpus: Path, problems: Problems) -> str:
    texts: list[str] = []
    for path in text_files(corpus):
        if path.suffix == ".jsonl":
            texts += [sample.text for sample in read_samples(path, problems)]
        else:
            texts.append(path.read_text(encoding="utf-8", errors="replace"))
    return "\n\n".join(texts)


class _Console(Console):
    """Standard error. A reader who has seen enough and leaves changes neither exit status nor output."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _console() -> Console:
    return _Console(stderr=True, highlight=False)


def _write(target: str, text: str) -> None:
    if target == "-":
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    else:
        Path(target).write_text(text + "\n", encoding="utf-8")
