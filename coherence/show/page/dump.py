"""What another trainer wrote, as the report page that a server hands out: read again when it changes.

Source: docs/page.md, "The server".
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from itertools import islice
from pathlib import Path
from threading import Lock
from time import monotonic

from coherence.audit.conduct import audit_dump
from coherence.audit.plan import Job, Request, prepare
from coherence.audit.runners import here
from coherence.audit.store import Output
from coherence.show.page.audited import AuditedPage
from coherence.show.page.made import made_now

REST = 30.0
"""Seconds from the end of an audit to the next, or three times as long as it took."""

LOOKED_AT = 10_000
"""Files that are looked at for a change, and entries of a folder that are counted."""

KINDS = {
    "image": (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".bmp", ".tif", ".tiff"),
    "JSON file": (".json", ".jsonl", ".ndjson"),
    "table": (".csv", ".tsv", ".parquet", ".xlsx"),
    "text file": (".txt", ".md", ".log", ".out"),
    "model file": (".pt", ".pth", ".bin", ".safetensors", ".ckpt", ".gguf", ".onnx", ".h5", ".keras"),
}
"""What a person calls a file, by the end of its name."""

KIND_OF = {end: kind for kind, ends in KINDS.items() for end in ends}

Watch = Callable[[Job], Callable[[Output], None]]
"""Shows how far an audit is: is given the dump, and returns what is shown each part that is scored."""


class ServedDump:
    """A file or a folder that is not a run folder, and its page.

    Args:
        path: of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._page, self._seen, self._next = "", "", 0.0

    def page(self) -> str:
        """Return the page, empty if there are no samples; of a dump that has changed, it is made again.

        While it is made, others get what there was.
        """
        if self._lock.acquire(blocking=False):
            try:
                if monotonic() >= self._next:
                    with suppress(OSError, ValueError):  # what was read before stays
                        self.read()
            finally:
                self._lock.release()
        return self._page

    def read(self, watch: Watch = lambda _job: lambda _output: None) -> None:
        """Audit what is there, if it has changed since the last time.

        Args:
            watch: shows how far it is.

        Raises:
            OSError: it cannot be read.
            ValueError: there are no samples in it.
            KeyboardInterrupt: it was interrupted.
        """
        seen, started = state_of(self.path), monotonic()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._page = _page_of(str(self.path), watch)
        finally:
            self._next = monotonic() + max(REST, 3 * (monotonic() - started))


def _page_of(path: str, watch: Watch) -> str:
    request = Request([path])
    job = prepare(request)
    _check_inside(path, job)
    page = AuditedPage(request.paths, job, made_now(["serve", path]), served=True)
    found, dump = audit_dump(request, job, here, watch(job), [page.see], page.see_run)
    if found.partial:
        raise KeyboardInterrupt
    return page.written(found, dump.texts)


def _check_inside(path: str, job: Job) -> None:
    """Refuse links that lead elsewhere from a folder, or from what is next to a file: nobody asked for that.

    Raises:
        ValueError: there is such a link.
    """
    asked = Path(path)
    allowed = [asked.resolve()] if asked.is_dir() else [asked.resolve(), asked.parent.resolve()]
    for run in job.runs:
        for file in (*run.samples, *run.losses, *run.metrics):
            found = Path(file.path).resolve()
            if not any(found.is_relative_to(each) for each in allowed):
                raise ValueError(f"{file.path}: a link out of the folder; serve the folder it leads to")


def state_of(path: Path) -> str:
    """Return a word for the names, the sizes and the times of what lies at a path."""
    summed = sha256()
    for file in islice(_files(path), LOOKED_AT):
        with suppress(OSError):
            found = os.stat(file)  # noqa: PTH116 - of very many
            summed.update(f"{file!r} {found.st_size} {found.st_mtime_ns}\n".encode(errors="replace"))
    return summed.hexdigest()


def _files(path: Path) -> Iterator[str]:
    if not path.is_dir():
        yield str(path)
    for folder, below, names in os.walk(path):
        below.sort()
        yield from (os.path.join(folder, name) for name in sorted(names))  # noqa: PTH118 - of very many


def holdings(folder: Path) -> str:
    """Say what a folder holds, in a few words.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as made:
    ...     for name in ("a.png", "b.png", "c.json", "strange"):
    ...         _ = (Path(made) / name).write_text("")
    ...     holdings(Path(made))
    '2 images, 1 JSON file, 1 other file'
    """
    counts: Counter[str] = Counter()
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in islice(entries, LOOKED_AT):
            end = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - of very many
            counts["folder" if entry.is_dir() else KIND_OF.get(end, "other file")] += 1
    ordered = sorted(counts.items(), key=lambda each: (each[0] == "other file", -each[1], each[0]))
    return ", ".join(f"{count:,} {kind}{'s' * (count > 1)}" for kind, count in ordered) or "nothing"
