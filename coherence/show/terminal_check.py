"""A check for a person at a terminal 80 columns wide."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from coherence.check.heaviest import Heavy
from coherence.check.verdict import Check
from coherence.show.ci import excerpt, figures, headline, reasons, too_few, where
from coherence.show.console import COLOURS, as_line
from coherence.show.terminal import show_problems
from coherence.show.terminal_pairs import show_pair


def show_check(found: Check, console: Console) -> None:
    """Print the verdict, each comparison, and the samples that weigh most."""
    console.print(Text(headline(found), style=f"bold {COLOURS[found.verdict]}"))
    console.print(as_line(_what(found)))
    if found.comparisons:
        console.print(_table(found))
    if found.halt_reason is not None:
        console.print(as_line(f"the gate halts: {found.halt_reason}"))
    for sentence in reasons(found):
        console.print(as_line(sentence))
    if told := too_few(found):
        console.print(as_line(f"inconclusive: {told}"))
    if found.pairs:
        show_pair(found.pairs[0], console)
    if found.heaviest:
        console.print(Text("The samples that weigh most", style="bold"))
    for heavy in found.heaviest:
        _show(heavy, console)
    for note in found.notes:
        console.print(as_line(f"note: {note}"))
    show_problems(found.problem_count, found.problems, console)


def _what(found: Check) -> str:
    by = f", {found.by} by {found.by}" if found.by else ""
    return (
        f"{found.samples_now:,} samples against {found.samples_before:,} of {found.snapshot}{by}; "
        f"tolerance {found.tolerance:g} points, level {found.level:g}"
    )


def _table(found: Check) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1))
    table.add_column("", no_wrap=True)
    for name in ("before", "now", "change", "interval", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for each in found.comparisons:
        verdict = Text(each.verdict, style=COLOURS[each.verdict])
        table.add_row(each.name, *figures(each), f"{each.p:.4f}", verdict)
    return table


def _show(heavy: Heavy, console: Console) -> None:
    scores = " ".join(
        f"{name} {'-' if value is None else f'{value:.0f}'}" for name, value in vars(heavy.scores).items()
    )
    console.print(Padding(as_line(f"{where(heavy)}: {scores}"), (0, 0, 0, 2)))
    console.print(Padding(Text(excerpt(heavy, 220), style="dim", overflow="fold"), (0, 0, 0, 4)))
