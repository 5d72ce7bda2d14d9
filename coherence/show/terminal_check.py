"""A check for a person at a terminal, from 40 columns on."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from coherence.check.causes import chance, headline
from coherence.check.compare import Comparison
from coherence.check.texts import Heavy
from coherence.check.verdict import Check
from coherence.show.check_words import evidence, excerpt, figures, reasons, scores_of, where
from coherence.show.console import COLOURS, as_line, fitting
from coherence.show.say import several
from coherence.show.terminal import show_problems
from coherence.show.terminal_pairs import show_pair

FEW = 2
"""Figures of a comparison that a narrow terminal has room for."""

WAYS = ((5, 1), (5, 0), (3, 0), (FEW, 0))
"""Ways to lay out the comparisons, from wide to narrow: how many figures, and blanks."""

ORDER = ("fail", "inconclusive", "pass")


def show_check(found: Check, console: Console) -> None:
    """Print the verdict, its causes, each comparison, those that failed first, and the worst samples."""
    console.print(Text(headline(found), style=f"bold {COLOURS[found.verdict]}"))
    for sentence in reasons(found):
        console.print(Padding(as_line(sentence), (0, 0, 0, 2)))
    console.print(as_line(_what(found)))
    if found.comparisons:
        ordered = sorted(found.comparisons, key=lambda each: ORDER.index(each.verdict))
        console.print(fitting(console, *(_table(ordered, *way) for way in WAYS)))
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
        f"{several(found.samples_now, 'sample')} against {found.samples_before:,} of {found.snapshot}{by}; "
        f"tolerance {found.tolerance:g} points{level}"
    )


def _table(comparisons: list[Comparison], columns: int, gap: int) -> Table:
    """Return the comparisons.

    Args:
        comparisons: in the order of the rows.
        columns: how many of their figures to show.
        gap: blanks on the left of a column.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, gap), pad_edge=gap > 0)
    table.add_column("", no_wrap=True)
    for name in ("before", "now", "change", "allowed", "interval")[:columns]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for each in comparisons:
        style = "dim" if each.verdict == "pass" else COLOURS[each.verdict]
        table.add_row(each.name, *figures(each)[:columns], Text(each.verdict, style=style))
    return table


def _show(heavy: Heavy, console: Console) -> None:
    console.print(Padding(as_line(f"{where(heavy)}: {scores_of(heavy)}"), (0, 0, 0, 2)))
    console.print(Padding(Text(excerpt(heavy, 220), style="dim", overflow="fold"), (0, 0, 0, 4)))
