"""What a path was taken for, at a terminal: a few lines for each file, for a person with five seconds."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.padding import Padding

from coherence.readers.explain import COUNTED, FileReading, RunReading, Steps
from coherence.readers.lines import file_name
from coherence.readers.records import LossRow, Sample
from coherence.show.console import as_line
from coherence.show.say import several

SHOWN = 60
"""Characters of a text that are shown."""

LISTED, FILES = 3, 20
"""Problems of a file, and files of a run, that are shown."""


class Origin(NamedTuple):
    """Where a setting comes from: an option, a variable, a file, or nowhere.

    Attributes:
        name: of the setting.
        value: the default where it comes from nowhere; None if there is none.
        source: where it comes from; empty if from nowhere.
    """

    name: str
    value: Any
    source: str = ""


def show_origins(settings: Sequence[Origin], console: Console) -> None:
    """Print where settings come from."""
    console.print("settings", style="bold")
    for line in origin_lines(settings):
        console.print(Padding(as_line(line), (0, 0, 0, 2)))


def origin_lines(settings: Sequence[Origin]) -> list[str]:
    """Return where settings come from, in lines.

    >>> origin_lines([Origin("level", 0.05, "--level"), Origin("tolerance", 5.0), Origin("format", None)])
    ['level 0.05: --level', 'default: tolerance 5', 'not set: format']
    """
    usual = [each for each in settings if not each.source]
    default = ", ".join(_setting(each) for each in usual if each.value is not None)
    unset = ", ".join(each.name for each in usual if each.value is None)
    lines = [f"{_setting(each)}: {each.source}" for each in settings if each.source]
    return lines + [f"{what}: {which}" for what, which in (("default", default), ("not set", unset)) if which]


def _setting(each: Origin) -> str:
    value = each.value
    shown = (
        str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else value
    )
    return f"{each.name} {shown}"


def show_explained(runs: Sequence[RunReading], console: Console) -> None:
    """Print what each file of each run was taken for."""
    for run in runs:
        console.print(as_line(run.name), style="bold")
        for reading in run.files[:FILES]:
            _show_file(reading, console)
        if len(run.files) > FILES:
            console.print(as_line(f"  and {len(run.files) - FILES:,} more files"))
        for note in run.notes:
            console.print(Padding(as_line(f"note: {note}"), (0, 0, 0, 2)))


def _show_file(reading: FileReading, console: Console) -> None:
    what = f"{reading.format} ({reading.why})" if reading.format and reading.why else reading.format
    console.print(
        Padding(as_line(f"{file_name(reading.path)}: {what or f'not read: {reading.why}'}"), (0, 0, 0, 2))
    )
    for line in lines_of(reading):
        console.print(Padding(as_line(line), (0, 0, 0, 4)))


def lines_of(reading: FileReading) -> list[str]:
    """Return what was read of a file, in lines.

    >>> lines_of(FileReading("a.log", "training log"))
    ['no samples, no losses']
    """
    lines = []
    if reading.first is not None and reading.last is not None:
        prompts = f", {reading.prompts:,} with a prompt" if reading.prompts else ", none with a prompt"
        steps = _steps(reading.sample_steps, reading.without_step)
        lines.append(f"{several(reading.samples, 'sample')}, {steps}{prompts}")
        lines.append(f"first: {_sample(reading.first)}")
        if reading.samples > 1:
            lines.append(f"last: {_sample(reading.last)}")
    if reading.first_loss is not None and reading.last_loss is not None:
        losses = f"{reading.losses:,} {'loss' if reading.losses == 1 else 'losses'}"
        ends = f"first {_loss(reading.first_loss)}, last {_loss(reading.last_loss)}"
        lines.append(f"{losses}, {_steps(reading.loss_steps)}; {ends}")
    if not lines and reading.format:
        lines.append("no samples, no losses")
    lines += list(reading.problems.remarks)
    if reading.problems.count:
        lines.append(f"{several(reading.problems.count, 'line')} could not be used:")
        lines += [f"  {each.line}: {each.message}" for each in reading.problems.listed[:LISTED]]
    return lines


def _steps(steps: Steps, without: str = COUNTED) -> str:
    if steps.first is None or steps.last is None:
        return f"no steps: {without}"
    told = (
        f"step {steps.first:,}" if steps.first == steps.last else f"steps {steps.first:,} to {steps.last:,}"
    )
    unused = "" if without == COUNTED else f", {without}"
    return f"{told} ({steps.unknown:,} without one{unused})" if steps.unknown else told


def _sample(sample: Sample) -> str:
    prompt = f" after the prompt {_short(sample.prompt)}" if sample.prompt else ""
    step = "" if sample.step is None else f"step {sample.step:,}, "
    return f"{step}line {sample.line}, {_short(sample.text)}{prompt}"


def _loss(row: LossRow) -> str:
    return f"{row.loss:g} at step {row.step:,}"


def _short(text: str) -> str:
    words = " ".join(text.split())
    return f"«{words}»" if len(words) <= SHOWN else f"«{words[: SHOWN - 1]}…»"
