"""What `coherence audit` does, once its options are read."""

import math
import time
from argparse import Namespace
from importlib import import_module

from coherence.audit.conduct import audit_dump
from coherence.audit.plan import Options, Request, prepare
from coherence.audit.runners import Runner, here
from coherence.cli.named import check_outputs, fields_of
from coherence.report import Ranking, Report
from coherence.scoring import fast
from coherence.scoring.profile import Profile
from coherence.show.console import console
from coherence.show.output import write, write_json
from coherence.show.progress import show_progress
from coherence.show.terminal import show_ranking, show_report, show_work

FINE, HALTED, BROKEN_OFF = 0, 1, 130


def run(options: Namespace) -> int:
    """Audit a run, or several, print the report and write it where asked."""
    check_outputs(options)
    request = Request(
        options.paths, options.loss, options.format, fields_of(options), _options(options), options.scored
    )
    screen = console()
    runner, page = _runner(options), None
    with show_progress(screen) as progress:
        job, started = prepare(request), time.perf_counter()
        progress.score(job.shards)
        if options.html is not None:
            made = import_module("coherence.show.page.made").made_now(options.typed)
            page = import_module("coherence.show.page.audited").AuditedPage(request.paths, job, made)
        see, see_run = ([page.see], page.see_run) if page else ([], None)
        found, dump = audit_dump(request, job, runner, progress.done, see, see_run)
    seconds = time.perf_counter() - started
    show_report(found, screen) if isinstance(found, Report) else show_ranking(found, screen)
    how = f"{fast.NAME}{_where(options)}"
    outputs = dump.outputs
    show_work(sum(each.count for each in outputs), sum(each.size for each in outputs), how, seconds, screen)
    if options.json is not None:
        write_json(options.json, found.to_json(indent=2))
    if page:
        write(options.html, page.written(found, dump.texts))
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
    return f", {options.workers} workers" if (options.workers or 1) > 1 else ""


def _runner(options: Namespace) -> Runner:
    workers = 1 if options.workers is None else options.workers
    if workers < 1:
        raise ValueError(f"workers {workers!r}; expected 1 or more")
    if options.ray is not None:
        return import_module("coherence.audit.ray").on_ray(options.ray)  # type: ignore[no-any-return]
    if workers == 1:
        return here
    return import_module("coherence.audit.processes").in_processes(workers)  # type: ignore[no-any-return]
