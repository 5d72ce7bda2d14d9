"""How far the scoring of a dump is, while it goes on; nothing where nobody looks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from coherence.audit.shard import Shard
from coherence.audit.store import Output


@contextmanager
def show_progress(shards: Sequence[Shard], console: Console) -> Iterator[Callable[[Output], None]]:
    """Show a bar while shards are scored, if there are several and a terminal to show it on.

    Yields:
        what takes the output of each shard.
    """
    if len(shards) < 2 or not console.is_terminal:
        # A disabled bar would do, but before rich 14.3 it ends with an empty line.
        yield lambda _: None
        return
    samples = size = 0
    columns = (TextColumn("{task.fields[told]}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=len(shards), told="")

        def done(output: Output) -> None:
            nonlocal samples, size
            samples, size = samples + output.count, size + output.size
            seconds = bar.tasks[0].elapsed or 1.0
            bar.update(task, advance=1, told=f"{samples:,} samples, {size / seconds / 1e6:.1f} MB/s")

        yield done
