"""What `coherence serve` does, once its options are read."""

import signal
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import current_thread, main_thread

from rich.console import Console
from rich.text import Text

from coherence.audit.plan import Job
from coherence.audit.store import Output
from coherence.escape import printable
from coherence.show.console import console
from coherence.show.page.dump import ServedDump
from coherence.show.page.server import Runs, Server, is_loopback
from coherence.show.progress import show_progress

LONGEST_WAIT = 0.5
"""Seconds after which it is seen that a signal has come."""


def run(options: Namespace) -> int:
    """Serve the page of a live run, of several, or of a dump, until Ctrl-C."""
    path = Path(options.folder)
    if not path.exists():
        raise ValueError(
            f"{path}: no such folder or file; expected a run folder, one that holds such, or a dump"
        )
    screen = console()
    dump = _read(path, screen)
    server_of = partial(Server, path, options.host, options.port, dump=dump)
    with _noted_signals() as noted, server_of() as server:
        _announce(server, options.host, path, screen)
        server.timeout = LONGEST_WAIT
        while not noted:
            server.handle_request()
    screen.print(Text("stopped"))
    return 0


def _read(path: Path, screen: Console) -> ServedDump:
    """Audit a dump, before anyone asks for it; a folder without samples may hold a run later."""
    dump = ServedDump(path)
    if Runs(path).found():
        return dump
    with show_progress(screen) as progress:

        def watch(job: Job) -> Callable[[Output], None]:
            progress.score(job.shards)
            return progress.done

        try:
            dump.read(watch)
        except ValueError:
            if not path.is_dir():
                raise
    return dump


@contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """Note Ctrl-C and SIGTERM instead of raising an exception wherever the server is at that moment.

    In the middle of beginning a thread it would break what counts the threads, or be lost.
    """
    noted: list[int] = []
    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        ours = signal.getsignal(number) is signal.default_int_handler
        if ours and current_thread() is main_thread():
            before[number] = signal.signal(number, lambda number, _frame: noted.append(number))
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _announce(server: Server, given: str, folder: Path, screen: Console) -> None:
    """Say where it is to be looked at, and by whom."""
    host, port = str(server.server_address[0]), server.server_address[1]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    screen.print(Text(f"{address} shows {printable(str(folder))}"), soft_wrap=True)
    if not is_loopback(given):
        screen.print(
            Text(
                f"Anyone who can reach port {port} of this machine can read every sample and every loss of "
                "these runs: no password, no encryption. Without --host only this machine can."
            )
        )
