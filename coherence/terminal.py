"""The report for a person at a terminal 80 columns wide."""

from collections.abc import Sequence
from statistics import fmean

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from coherence.records import FourScores, Loop, LossRecord, Report, ScoredSample, ShownSample

STRETCHES = 12
"""Rows of the table over the run."""

EXCERPT = 220
"""Characters of a sample that are shown, from where it loops."""

LISTED_PROBLEMS = 10

COLOURS = {"continue": "green", "watch": "yellow", "pivot": "magenta", "halt": "red"}


def show_report(report: Report, console: Console) -> None:
    """Print the whole report."""
    for part in (_verdict(report), _facts(report), _run_table(report), _readings(report), _remarks(report)):
        console.print(part)


def show_scores(scores: FourScores, loop: Loop | None, low: bool, tokens: int, console: Console) -> None:
    """Print the four scores of one text and where it loops."""
    table = Table.grid(padding=(0, 2))
    for name, value in scores:
        table.add_row(name, _score(value))
    console.print(table)
    console.print(Text(f"{tokens} tokens; {'low on every scale' if low else 'not low'}"))
    console.print(Text(_loop_sentence(loop)))


def printable(text: str) -> str:
    r"""Return text that cannot move the cursor, colour the screen or turn its direction.

    >>> printable("a\x1b[31mb\nc\u202ed")
    'a [31mb⏎c d'
    """
    return "".join("⏎" if char == "\n" else char if char.isprintable() else " " for char in text)


def _verdict(report: Report) -> RenderableType:
    diagnosis = report.diagnosis
    title = Text(f" {diagnosis.action.upper()} · {diagnosis.name} ", style="bold")
    return Panel(
        Text(diagnosis.sentence), title=title, title_align="left", border_style=COLOURS[diagnosis.action]
    )


def _facts(report: Report) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    for name, fact in _fact_rows(report):
        table.add_row(name, Text(fact))
    return table


def _fact_rows(report: Report) -> list[tuple[str, str]]:
    rows = [("loss", _loss_sentence(report.loss))]
    if report.loss is not None:
        rows.append(("loss phases", _phases_sentence(report.loss)))
        rows += [
            ("source", f"{printable(n)}: SMMA {_number(s.smma)}") for n, s in report.loss.sources.items()
        ]
    rows.append(("samples", _samples_sentence(report)))
    rows.append(("first low step", _step(report.first_low_step)))
    if report.halt:
        rows.append(("halt step", f"{_step(report.halt_step)}: {report.halt_reason}"))
        rows.append(("after the halt", _waste_sentence(report)))
    rows.append(("go back to", _resume_sentence(report)))
    return rows


def _loss_sentence(loss: LossRecord | None) -> str:
    if loss is None:
        return "none given"
    sentence = f"{loss.trend}: {_number(loss.first)} → {_number(loss.last)}, SMMA {_number(loss.smma)}"
    sentence += f", perplexity {_number(loss.perplexity)}"
    if loss.uniform_baseline is not None:
        sentence += f"; uniform {_number(loss.uniform_baseline)}, {_number(loss.advantage)} times better"
    return sentence + (f"; {loss.not_finite} not finite" if loss.not_finite else "")


def _phases_sentence(loss: LossRecord) -> str:
    return ", ".join(f"{phase.label} {phase.start:,}-{phase.end:,}" for phase in loss.phases)


def _samples_sentence(report: Report) -> str:
    short = f", {report.too_short} too short to judge" if report.too_short else ""
    return f"{report.diagnosis.samples}: {report.low} of {report.judged} low on every scale{short}"


def _waste_sentence(report: Report) -> str:
    sentence = f"{report.wasted_steps:,} steps"
    if report.wasted_seconds is not None:
        sentence += f", {_duration(report.wasted_seconds)}"
    return sentence


def _resume_sentence(report: Report) -> str:
    if report.resume_from is None:
        return "no step with coherent samples"
    why = "lowest SMMA" if report.loss is not None else "last step"
    return f"step {report.resume_from:,} ({why} whose samples were coherent)"


def _run_table(report: Report) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1))
    table.add_column("steps", no_wrap=True)
    for name in ("bigram", "trigram", "english", "character", "low", "SMMA" if report.loss else ""):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for stretch in _stretches(report.samples):
        table.add_row(*_stretch_row(stretch, report.halt_step))
    return table


def _stretches(samples: Sequence[ScoredSample]) -> list[Sequence[ScoredSample]]:
    """Cut the samples into at most 12 stretches of about as many samples, never within a step."""
    size = -(-len(samples) // STRETCHES)
    stretches: list[list[ScoredSample]] = []
    for sample in samples:
        last = stretches[-1] if stretches else None
        if last is None or (len(last) >= size and last[-1].step != sample.step):
            stretches.append([sample])
        else:
            last.append(sample)
    return list(stretches)


def _stretch_row(stretch: Sequence[ScoredSample], halt_step: int | None) -> list[RenderableType]:
    first, last = stretch[0].step, stretch[-1].step
    columns = zip(
        *((s.bigram, s.trigram, s.english, s.character) for s in (x.scores for x in stretch)), strict=True
    )
    means = [_mean(column) for column in columns]
    halts = halt_step is not None and first <= halt_step <= last
    return [
        Text(f"{first:,}" if first == last else f"{first:,}-{last:,}"),
        *(_score(mean) for mean in means),
        Text(f"{sum(sample.low for sample in stretch)}/{len(stretch)}"),
        Text(_number(stretch[-1].smma) if stretch[-1].smma is not None else ""),
        Text("◀ halt", style="red") if halts else Text(""),
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return fmean(present) if present else None


def _readings(report: Report) -> RenderableType:
    parts: list[RenderableType] = []
    for title, samples in (("Worst samples", report.worst), ("Best sample", report.best)):
        if samples:
            parts.append(Text(title, style="bold"))
            parts += [part for sample in samples for part in _reading(sample)]
    return Group(*parts)


def _reading(sample: ShownSample) -> list[RenderableType]:
    scores = " ".join(f"{name} {_plain_score(value)}" for name, value in sample.scores)
    start = max(0, sample.loop.start - 20) if sample.loop and sample.loop.share > 0.1 else 0
    excerpt = printable(sample.text.strip()[start : start + EXCERPT])
    return [
        Padding(Text(f"step {sample.step:,} #{sample.index}: {scores}"), (0, 0, 0, 2)),
        Padding(Text(_loop_sentence(sample.loop)), (0, 0, 0, 4)),
        Padding(
            Text(("…" if start else "") + (excerpt or "(no text)"), style="dim", overflow="fold"),
            (0, 0, 0, 4),
        ),
    ]


def _loop_sentence(loop: Loop | None) -> str:
    if loop is None:
        return "no phrase comes back three times"
    phrase = printable(loop.phrase)
    return (
        f"repeats «{phrase}» {loop.times} times from character {loop.start}, "
        f"{loop.share:.0%} of its tokens, every {loop.period}"
    )


def _remarks(report: Report) -> RenderableType:
    lines = [f"note: {printable(note)}" for note in report.notes]
    if report.problem_count:
        lines.append(f"{report.problem_count} lines were not used or need a look:")
        shown = report.problems[:LISTED_PROBLEMS]
        lines += [f"  {printable(p.file)}:{p.line}: {printable(p.message)}" for p in shown]
        if report.problem_count > len(shown):
            lines.append(f"  and {report.problem_count - len(shown)} more")
    return Text("\n".join(lines))


def _score(value: float | None) -> Text:
    return Text(_plain_score(value), style="red" if value is not None and value < 30 else "")


def _plain_score(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _step(value: int | None) -> str:
    return "none" if value is None else f"{value:,}"


def _duration(seconds: float) -> str:
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} seconds"
