"""A check for a person at a terminal 80 columns wide."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from coherence.check.causes import chance, headline
from coherence.check.compare import Comparison
from coherence.check.heaviest import Heavy
from coherence.check.verdict import Check
from coherence.show.ci import evidence, excerpt, figures, reasons, scores_of, where
from coherence.show.console import COLOURS, as_line
from coherence.show.terminal import show_problems
from coherence.show.terminal_pairs import show_pair

ORDER = ("fail", "inconclusive", "pass")


def show_check(found: Check, console: Console) -> None:
    """Print the verdict, its causes, each comparison, those that failed first, and the worst samples."""
    console.print(Text(headline(found), style=f"bold {COLOURS[found.verdict]}"))
    for sentence in reasons(found):
        console.print(Padding(as_line(sentence), (0, 0, 0, 2)))
    console.print(as_line(_what(found)))
    if found.comparisons:
        console.print(_table(sorted(found.comparisons, key=lambda each: ORDER.index(each.verdict))))
    if found.pairs:
        show_pair(found.pairs[0], console)
    if worst := evidence(found):
        console.print(Text("Worst samples behind this result", style="bold"))
        for heavy in worst:
            _show(heavy, console)
    for note in found.notes:
        console.print(as_line(f"note: {note}"))
    show_problems(found.problem_count, found.problems, console)


def _what(found: Check) -> str:
    by = f", within each {found.by}" if found.by else ""
    level = "" if chance(found) else f", level {found.level:g}"
    return (
        f"{found.samples_now:,} samples against {found.samples_before:,} of {found.snapshot}{by}; "
        f"tolerance {found.tolerance:g} points{level}"
    )


def _table(comparisons: list[Comparison]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1))
    table.add_column("", no_wrap=True)
    for name in ("before", "now", "change", "allowed", "interval"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for each in comparisons:
        style = "dim" if each.verdict == "pass" else COLOURS[each.verdict]
        table.add_row(each.name, *figures(each), Text(each.verdict, style=style))
    return table


def _show(heavy: Heavy, console: Console) -> None:
    console.print(Padding(as_line(f"{where(heavy)}: {scores_of(heavy)}"), (0, 0, 0, 2)))
    console.print(Padding(Text(excerpt(heavy, 220), style="dim", overflow="fold"), (0, 0, 0, 4)))
