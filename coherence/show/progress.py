"""How far an audit is, while it goes on: on a terminal at once, in a pipe a line a minute."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from coherence.audit.shard import Shard
from coherence.audit.store import Output
from coherence.readers import storage
from coherence.show.say import say

EVERY = 60.0
"""Seconds between two lines in a pipe."""

BAR, ROOM = 20, 60
"""Columns of the bar, and columns of a terminal that has room for it."""

SOON = 5.0
"""Seconds after which it can be said how long the rest takes."""


class Progress:
    """What an audit is at, and how far.

    Args:
        clock: returns the seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._weights: dict[int, float] = {}
        self._left: dict[int, float] = {}
        self._begun, self._read = 0.0, 0
        self._what = "looking for samples"

    def score(self, shards: Sequence[Shard]) -> None:
        """Begin to score: from now on it is known how many bytes there are."""
        self._what = "scoring"
        self._weights = weights(shards)
        self._left = dict(self._weights)
        self._begun, self._read = self._clock(), storage.METER.read

    def done(self, output: Output) -> None:
        """Take the output of a shard; after the last one the gate goes through the samples in order."""
        self._left.pop(output.shard.number, None)
        self._read = storage.METER.read
        if not self._left:
            self._what = "going through the samples in the order of their steps"

    @property
    def share(self) -> float | None:
        """How much of the bytes is scored, 0 to 1; None when that is not what it is at."""
        total = sum(self._weights.values())
        left = list(self._left.values())  # another thread takes from it meanwhile
        if not left or not total:
            return None
        # What was read of the shard that is being read; a worker's reading is not seen, its outputs are.
        current = min(storage.METER.read - self._read, left[0])
        return (total - sum(left) + current) / total

    @property
    def line(self) -> str:
        """What it is at, in words."""
        share = self.share
        if share is None:
            return self._what
        return in_words(share, sum(self._weights.values()), self._clock() - self._begun)


def in_words(share: float, total: float, seconds: float) -> str:
    """Return how much is scored and how long the rest takes.

    Args:
        share: that is scored, 0 to 1.
        total: bytes.
        seconds: since the beginning.

    >>> in_words(0.12, 100e6, 6)
    'scoring, 12 of 100 MB, 44 s left'
    >>> in_words(0.5, 3e3, 1)
    'scoring, 1.5 of 3.0 KB'
    >>> in_words(0.01, 1e12, 60)
    'scoring, 10 of 1,000 GB, 1.6 h left'
    """
    size, unit = next(
        ((size, unit) for size, unit in ((1e9, "GB"), (1e6, "MB")) if total >= size), (1e3, "KB")
    )
    digits = 1 if total < 10 * size else 0
    told = f"scoring, {share * total / size:,.{digits}f} of {total / size:,.{digits}f} {unit}"
    if seconds < SOON or not share:
        return told
    left = seconds / share - seconds
    if left >= 3600:
        return f"{told}, {left / 3600:.1f} h left"
    return f"{told}, {left / 60:.0f} min left" if left >= 120 else f"{told}, {left:.0f} s left"


def weights(shards: Sequence[Shard]) -> dict[int, float]:
    """Return the bytes of each shard as they are stored, by its number."""
    parts = Counter(piece.part.path for shard in shards for piece in shard.pieces)
    sizes = {path: storage.size(path) / count for path, count in parts.items()}
    return {shard.number: sum(sizes[piece.part.path] for piece in shard.pieces) for shard in shards}


@contextmanager
def show_progress(console: Console) -> Iterator[Progress]:
    """Show what an audit is at until it is done, unless only errors are to be said.

    Yields:
        what the audit says how far it is.
    """
    progress = Progress()
    if console.quiet:
        yield progress
    elif console.is_terminal and console.file.isatty():  # FORCE_COLOR alone makes a terminal of a pipe
        drawn = Live(
            console=console,
            get_renderable=lambda: _drawn(progress, console.width),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with drawn:
            drawn.refresh()
            yield progress
    else:
        with _lines(progress):
            yield progress


def _drawn(progress: Progress, width: int) -> RenderableType:
    share, line = progress.share, Text(progress.line, no_wrap=True, overflow="ellipsis")
    if share is None or width < ROOM:
        return line
    grid = Table.grid(padding=(0, 1))
    grid.add_row(ProgressBar(total=1.0, completed=share, width=BAR), line)
    return grid


@contextmanager
def _lines(progress: Progress) -> Iterator[None]:
    """Say a line now and then."""
    ended = Event()

    def tell() -> None:
        while not ended.wait(EVERY):
            say(progress.line)

    thread = Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
