"""What each command of the command line does, once its options are read."""

import json
import math
import sys
import time
from argparse import Namespace
from importlib import import_module
from pathlib import Path
from typing import Any

from coherence.audit.conduct import audit_dump
from coherence.audit.plan import Options, Request, prepare
from coherence.audit.runners import Runner, here, in_processes
from coherence.readers import storage
from coherence.readers.find import text_files
from coherence.readers.formats import jsonl
from coherence.readers.lines import Part, Problems
from coherence.report import FourScores, Ranking, Report
from coherence.scoring.calibration import measure
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.loop import find_loop
from coherence.scoring.profile import Profile
from coherence.scoring.scores import score as score_text
from coherence.show.console import check_targets, console, write, write_json
from coherence.show.page.gallery import Gallery
from coherence.show.page.page import report_page
from coherence.show.progress import show_progress
from coherence.show.terminal import (
    show_problems,
    show_ranking,
    show_report,
    show_scores,
    show_work,
)

FINE, HALTED, BROKEN_OFF = 0, 1, 130


def audit(options: Namespace) -> int:
    """Audit a run, or several, print the report and write it where asked."""
    table = options.scored
    check_targets(options.json, options.html, table if table and not storage.is_url(table) else None)
    request = Request(
        options.paths, options.loss, options.format, options.prompt_field, _options(options), options.scored
    )
    screen = console()
    job, started = prepare(request), time.perf_counter()
    gallery = None if options.html is None else Gallery(job.settings.lexicon)
    see = [gallery.see] if gallery else []
    with show_progress(job.shards, screen) as done:
        found, dump = audit_dump(request, job, _runner(options), done, see)
    seconds = time.perf_counter() - started
    show_report(found, screen) if isinstance(found, Report) else show_ranking(found, screen)
    how = f"{'compiled' if job.settings.fast else 'plain'} scorer{_where(options)}"
    outputs = dump.outputs
    show_work(sum(each.count for each in outputs), sum(each.size for each in outputs), how, seconds, screen)
    if options.json is not None:
        write_json(options.json, found.model_dump_json(indent=2))
    if gallery:
        write(options.html, report_page(found, gallery.pictures(dump.texts), job.runs[0].name))
    if found.partial:
        return BROKEN_OFF
    return HALTED if _asks_to_stop(found) else FINE


def _asks_to_stop(found: Report | Ranking) -> bool:
    """Tell whether a gate has fired that does not only observe."""
    if isinstance(found, Report):
        return found.halt and not found.settings.observe
    return any(line.halt and not line.observed for line in found.runs)


def _options(options: Namespace) -> Options:
    per_step = options.seconds_per_step
    if per_step is not None and not (math.isfinite(per_step) and per_step >= 0):
        raise ValueError(f"seconds per step {per_step!r}; expected a number, 0 or more")
    return Options(
        threshold=options.threshold,
        patience=options.patience,
        window=options.window,
        warmup=options.warmup,
        observe=options.observe,
        vocab_size=options.vocab_size,
        seconds_per_step=per_step,
        profile=None if options.profile is None else Profile.load(options.profile),
    )


def _where(options: Namespace) -> str:
    if options.ray is not None:
        return f", Ray {options.ray}"
    return f", {options.workers} workers" if options.workers > 1 else ""


def _runner(options: Namespace) -> Runner:
    if options.workers < 1:
        raise ValueError(f"workers {options.workers!r}; expected 1 or more")
    if options.ray is not None:
        return import_module("coherence.audit.ray").on_ray(options.ray)  # type: ignore[no-any-return]
    return here if options.workers == 1 else in_processes(options.workers)


def score(options: Namespace) -> int:
    """Score one text."""
    check_targets(options.json)
    # What is cut off in the middle of a character, by `head -c` for instance, is still read.
    given = sys.stdin.buffer.read() if options.text == "-" else options.text.encode(errors="replace")
    text = given.decode(errors="replace")
    scores = score_text(text, options.prompt, profile=Profile.load(options.profile))
    loop = find_loop(text, options.prompt)
    shown = FourScores.of(scores)
    show_scores(shown, loop, scores.low(), scores.tokens, console())
    if options.json is not None:
        found = {
            "format": 1,
            "scores": shown.model_dump(),
            "tokens": scores.tokens,
            "low": scores.low(),
            "loop": loop.model_dump() if loop else None,
        }
        write_json(options.json, json.dumps(found, indent=2))
    return FINE


def calibrate(options: Namespace) -> int:
    """Measure a reference profile from corpora."""
    check_targets(options.output)
    lexicon = Lexicon.from_file(options.words) if options.words else Lexicon.load()
    problems = Problems()
    sources = {str(corpus): _corpus_text(corpus, problems) for corpus in options.corpora}
    profile = measure(sources, options.name, lexicon)
    write_json(options.output, _one_line_a_key(profile.to_json()))
    screen = console()
    screen.print(f"{profile.tokens:,} tokens of {len(sources)} corpora")
    show_problems(problems.count, problems.listed, screen)
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
            texts += [sample.text for sample in jsonl.samples(Part(str(path)), problems)]
        else:
            texts.append(path.read_text(encoding="utf-8", errors="replace"))
    return "\n\n".join(texts)
