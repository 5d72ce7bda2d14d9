"""The report for a person at a terminal, from 40 columns on."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from coherence.escape import printable
from coherence.readers.records import Problem
from coherence.report import (
    EventRecord,
    LossRecord,
    ProblemRecord,
    Ranking,
    Report,
    RunLine,
    SeriesRecord,
    ShownSample,
    StretchRecord,
)
from coherence.scoring.loop import Loop
from coherence.scoring.text import answer
from coherence.show.console import COLOURS, NARROW, as_line, fitting
from coherence.show.say import several
from coherence.show.terminal_score import loop_sentence, plain_number, plain_score, style_of
from coherence.signals.loss import ARRIVED

PANEL = 6
"""Columns that the frame takes next to a title in it."""

EXCERPT, LEAD = 220, 20
"""Characters of a sample that are shown; how many of them before it loops."""

NAMES = {"kl": "KL"}
"""Of series, where they are not spelled as they are named."""

SCALES_HEADS, SHORT_HEADS = ("bigram", "trigram", "english", "character"), ("bi", "tri", "eng", "chr")

WAYS = (
    (SCALES_HEADS, True, 3),
    (SHORT_HEADS, True, 3),
    (SHORT_HEADS, True, 2),
    (SHORT_HEADS, False, 2),
    (SHORT_HEADS, False, 1),
)
"""Ways to lay out the stretches of a run, from wide to narrow: heads, whole spans of steps, and the gap."""

LISTED_PROBLEMS = 10
LISTED_EVENTS = 5

ONE_IN = 5
"""Of so many lines one that could not be used, and the headline says so: the verdict is of the others."""


def show_report(report: Report, console: Console) -> None:
    """Print the whole report."""
    console.print(_verdict(report, console.width))
    console.print(_facts(_fact_rows(report), console.width))
    console.print()
    console.print(fitting(console, *(_run_table(report, *way) for way in WAYS)))
    console.print()
    console.print(_readings(report))
    for note in report.notes:
        console.print(as_line(f"note: {note}"))
    show_problems(report.problem_count, report.problems, console)


def show_verdict(report: Report, console: Console) -> None:
    """Print the verdict, when the gate halted and what came after, and where to go back to."""
    console.print(_verdict(report, console.width))
    rows = _halt_rows(report) if report.halt else []
    console.print(_facts([*rows, _place_row(report)], console.width))


def show_ranking(ranking: Ranking, console: Console) -> None:
    """Print several runs, the best first."""
    halted = sum(line.halt for line in ranking.runs)
    partial = " · interrupted: partial results" if ranking.partial else ""
    unused = _unused(ranking.problem_count, sum(line.judged for line in ranking.runs))
    unused = unused and f" · {unused}"
    console.print(Text(f"{len(ranking.runs)} runs, {halted} halted{partial}{unused}", style="bold"))
    console.print(_ranking_table(ranking, console.width))
    for note in ranking.notes:
        console.print(as_line(f"note: {note}"))
    show_problems(ranking.problem_count, ranking.problems, console)


def _ranking_table(ranking: Ranking, width: int) -> Table:
    narrow = width < NARROW
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("run", overflow="fold", min_width=8 if narrow else 17)
    table.add_column("action", no_wrap=True)
    scales = () if narrow else ("bi", "tri", "eng", "chr")
    for name in (*scales, "low", *(() if narrow else ("loss",)), "halt", "back to"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in ranking.runs:
        table.add_row(*_ranking_row(line, ranking.settings.threshold, narrow))
    return table


def _ranking_row(line: RunLine, threshold: float, narrow: bool) -> list[RenderableType]:
    action = line.diagnosis.action
    scores = [_score_cell(mean, threshold) for mean in line.scores.values]
    loss = Text("" if line.smoothed is None else plain_number(line.smoothed))
    return [
        Text(printable(line.run)),
        Text(action, style=COLOURS[action]),
        *([] if narrow else scores),
        Text(f"{line.low:,}/{line.judged:,}"),
        *([] if narrow else [loss]),
        Text("" if line.halt_step is None else _step(line.halt_step)),
        Text("" if line.resume_from is None else _step(line.resume_from)),
    ]


def show_work(samples: int, size: int, how: str, seconds: float, console: Console) -> None:
    """Print how much was scored, and by what."""
    speed = f", {size / seconds / 1e6:.1f} MB/s" if size >= 1e6 else ""
    took = f" in {_duration(seconds)}{speed}" if seconds > 1 else ""
    read = f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} KB"
    console.print(as_line(f"{several(samples, 'sample')}, {read}{took} ({how})"))


def show_problems(count: int, problems: Sequence[Problem | ProblemRecord], console: Console) -> None:
    """Print how many lines were not used, and the first of them as file:line: why."""
    if count:
        lines = "1 line was not used or needs" if count == 1 else f"{count:,} lines were not used or need"
        console.print(as_line(f"{lines} a look:"))
    for problem in problems[:LISTED_PROBLEMS]:
        console.print(Padding(as_line(f"{problem.file}:{problem.line}: {problem.message}"), (0, 0, 0, 2)))
    if count > LISTED_PROBLEMS:
        console.print(Text(f"  and {count - min(len(problems), LISTED_PROBLEMS):,} more"))


def _verdict(report: Report, width: int) -> RenderableType:
    diagnosis = report.diagnosis
    partial = " · interrupted: partial results" if report.partial else ""
    sentence = diagnosis.sentence if report.recovered_since is None else f"At the halt: {diagnosis.sentence}"
    body, title = Text(sentence), f"{diagnosis.action.upper()} · {report.headline}{partial}"
    if len(title) > width - PANEL:  # rather than cut off above
        body = Text.assemble((f"{report.headline}\n", "bold"), sentence)
        title = f"{diagnosis.action.upper()}{partial}"
    rows, noted = (report.loss.rows, report.loss.not_finite) if report.loss else (0, 0)
    samples = report.judged + report.too_short + report.templated
    # A loss that is not finite is noted as a problem, and yet the verdict uses it.
    unused = _unused(max(0, report.problem_count - noted), samples + rows)
    if unused and len(f"{title} · {unused}") <= width - PANEL:
        title, unused = f"{title} · {unused}", ""
    return Panel(
        body,
        title=Text(title, style="bold"),
        title_align="left",
        subtitle=Text(unused, style="bold") if unused else None,  # rather than cut off above
        subtitle_align="left",
        border_style=COLOURS[diagnosis.action],
    )


def _unused(count: int, used: int) -> str:
    """Return how many lines could not be used, where they are so many that the headline has to say it."""
    every = count + used
    return f"{count:,} of {every:,} lines could not be used" if 0 < every <= ONE_IN * count else ""


def _facts(rows: Sequence[tuple[str, str]], width: int) -> RenderableType:
    if width < NARROW:
        return Group(
            *(part for name, fact in rows for part in (Text(name, style="bold"), _indented(fact, 2)))
        )
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    for name, fact in rows:
        table.add_row(name, Text(fact))
    return table


def _indented(text: str, by: int, style: str = "") -> Padding:
    return Padding(Text(text, style=style, overflow="fold"), (0, 0, 0, by))


def _fact_rows(report: Report) -> list[tuple[str, str]]:
    rows = _halt_rows(report) if report.halt else []
    rows.append(_place_row(report))
    rows.append(("first low step", _step(report.first_low_step)))
    rows.append(("samples", _samples_sentence(report)))
    rows += _event_rows(report.events)
    if report.series:
        rows.append(("also logged", _series_sentence(report.series)))
    if report.loss is None:
        return [*rows, ("loss", "none given")]
    rows.append(("loss", _loss_sentence(report.loss, report.diagnosis.loss)))
    if report.loss.phases:
        rows.append(("loss phases", _phases_sentence(report.loss)))
    rows += [
        ("source", f"{printable(n)}: smoothed {plain_number(s.smoothed)}")
        for n, s in report.loss.sources.items()
    ]
    return rows


def _halt_rows(report: Report) -> list[tuple[str, str]]:
    observed = " (observed only)" if report.settings.observe else ""
    return [
        ("halt step", f"{_step(report.halt_step)}{observed}: {report.halt_reason}"),
        ("after the halt", _waste_sentence(report)),
    ]


def _event_rows(events: Sequence[EventRecord]) -> list[tuple[str, str]]:
    rows = [("event", printable(_event_sentence(event))) for event in events[:LISTED_EVENTS]]
    left = len(events) - len(rows)
    return [*rows, ("events", f"and {left:,} more")] if left else rows


def _event_sentence(event: EventRecord) -> str:
    details = [f"{name.replace('_', ' ')} {value}" for name, value in event.details.items()]
    return f"{event.event} at step {event.step:,}" + (f": {', '.join(details)}" if details else "")


def _loss_sentence(loss: LossRecord, judged: str | None) -> str:
    # The diagnosis of a halted run is that of the halt; the loss may have gone elsewhere since.
    trend = loss.trend if judged == loss.trend else f"{judged or 'none'} at the halt, {loss.trend} at the end"
    if loss.last is None:
        return f"{trend}: {several(loss.not_finite, 'row')}, none of them finite"
    first, last, smoothed = map(plain_number, (loss.first, loss.last, loss.smoothed))
    sentence = f"{trend}: {first} → {last}, smoothed {smoothed}"
    if loss.rows >= ARRIVED * loss.window:
        sentence += f", SMMA {plain_number(loss.smma)}"
    if loss.perplexity is not None:
        sentence += f", perplexity {plain_number(loss.perplexity)}"
    if loss.uniform_baseline is not None:
        sentence += f"; uniform {plain_number(loss.uniform_baseline)}"
    if loss.advantage is not None:
        sentence += f", {plain_number(loss.advantage)} times better"
    return sentence + (f"; {loss.not_finite:,} not finite" if loss.not_finite else "")


def _series_sentence(series: Sequence[SeriesRecord]) -> str:
    steps = [step for each in series for step in (each.steps[0], each.steps[-1])]
    told = (
        f"{NAMES.get(each.name, each.name)} {plain_number(each.values[0])} → {plain_number(each.values[-1])}"
        for each in series
    )
    return f"{', '.join(told)} (steps {min(steps):,} to {max(steps):,})"


def _phases_sentence(loss: LossRecord) -> str:
    return ", ".join(f"{phase.label} {_span(phase.start, phase.end)}" for phase in loss.phases)


def _span(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,}-{last:,}"


def _samples_sentence(report: Report) -> str:
    counted = (
        (report.empty, "of them empty"),
        (report.templated, f"template{'' if report.templated == 1 else 's'}, not judged"),
        (report.too_short, "too short to judge"),
    )
    more = "".join(f", {count:,} {what}" for count, what in counted if count)
    return f"{report.diagnosis.samples}: {report.low:,} of {report.judged:,} low on every scale{more}"


def _waste_sentence(report: Report) -> str:
    sentence = several(report.wasted_steps, "step")
    if report.wasted_seconds is not None:
        sentence += f", {_duration(report.wasted_seconds)}"
    return sentence


def _place_row(report: Report) -> tuple[str, str]:
    leaving = report.diagnosis.action in ("pivot", "halt")
    return "go back to" if leaving else "best checkpoint", _resume_sentence(report)


def _resume_sentence(report: Report) -> str:
    if report.resume_from is None:
        return report.resume_reason
    return f"step {report.resume_from:,}: {report.resume_reason}"


def _run_table(report: Report, heads: Sequence[str], spans: bool, gap: int) -> Table:
    """Return the stretches of a run.

    Args:
        report: of the run.
        heads: of the scores.
        spans: show from which step to which, and not only from which.
        gap: blanks between two columns, 1 to 3.
    """
    box = SIMPLE_HEAD if gap > 1 else None  # its rule takes a column of its own between two
    table = Table(box=box, show_edge=False, padding=(0, 1, 0, int(gap > 2)), pad_edge=gap > 2)
    table.add_column("steps" if spans else "from", no_wrap=True)
    for name in (*heads, "low", "loss" if report.loss else ""):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for stretch in report.stretches:
        table.add_row(*_stretch_row(stretch, report, spans))
    return table


def _stretch_row(stretch: StretchRecord, report: Report, spans: bool) -> list[RenderableType]:
    halts = report.halt_step is not None and stretch.first <= report.halt_step <= stretch.last
    return [
        Text(_span(stretch.first, stretch.last) if spans else f"{stretch.first:,}"),
        *(_score_cell(mean, report.settings.threshold) for mean in stretch.scores.values),
        Text(f"{stretch.low:,}/{stretch.samples:,}"),
        Text(plain_number(stretch.smoothed) if stretch.smoothed is not None else ""),
        Text("◀ halt" if spans else "◀", style="red") if halts else Text(""),
    ]


def _readings(report: Report) -> RenderableType:
    worst: list[RenderableType] = []
    if report.low:
        worst = [part for sample in report.worst for part in _reading(sample, report.halt_step)]
    parts: list[RenderableType] = [Text("Worst samples", style="bold"), *worst] if worst else []
    if report.worst and not report.low:
        lowest = report.worst[0]
        parts.append(Text.assemble(("No sample is low", "bold"), f"; the lowest is {_heading(lowest)}"))
    if report.best:
        parts += [Text("Best sample", style="bold"), *_reading(report.best[0], None)]
    return Group(*parts)


def _heading(sample: ShownSample) -> str:
    scores = " ".join(f"{name} {plain_score(value)}" for name, value in vars(sample.scores).items())
    return f"step {sample.step:,} #{sample.index:,}: {scores}"


def _reading(sample: ShownSample, halt_step: int | None) -> list[RenderableType]:
    here = ", where the gate halts" if sample.step == halt_step else ""
    heading = _indented(f"{_heading(sample)}{here}", 2)
    text = answer(sample.text, sample.prompt)
    if not text:
        return [heading, _indented("(no text)", 4)]
    loop = Loop(**vars(sample.loop)) if sample.loop else None
    start = max(0, loop.start - LEAD) if loop else 0
    end = start + EXCERPT
    excerpt = ("…" if start else "") + printable(text[start:end]) + ("…" if end < len(text) else "")
    return [heading, _indented(loop_sentence(loop, len(text)), 4), _indented(excerpt, 4, "dim")]


def _score_cell(value: float | None, threshold: float) -> Text:
    """Return a score as a table shows it: red below the threshold."""
    return Text(plain_score(value), style=style_of(value, threshold))


def _step(value: int | None) -> str:
    return "none" if value is None else f"{value:,}"


def _duration(seconds: float) -> str:
    """Return a time as people say it.

    >>> _duration(1.2), _duration(45), _duration(5400)
    ('1 second', '45 seconds', '1.5 hours')
    """
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return "1 second" if round(seconds) == 1 else f"{seconds:.0f} seconds"
