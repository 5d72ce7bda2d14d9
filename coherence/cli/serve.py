"""What `coherence serve` does, once its options are read."""

import signal
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread

from rich.console import Console
from rich.text import Text

from coherence.escape import printable
from coherence.show.console import console
from coherence.show.page.server import Server, is_loopback

LONGEST_WAIT = 0.5
"""Seconds after which it is seen that a signal has come."""


def run(options: Namespace) -> int:
    """Serve the page of a run that goes on, or of several, until Ctrl-C."""
    folder = Path(options.folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected the folder of a run, or one that holds such")
    screen = console()
    with _noted_signals() as noted, Server(folder, options.host, options.port) as server:
        _announce(server, options.host, folder, screen)
        server.timeout = LONGEST_WAIT
        while not noted:
            server.handle_request()
    screen.print(Text("stopped"))
    return 0


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
                f"Whoever can reach port {port} of this machine can read every sample and every loss of "
                "these runs: no password, no encryption. Without --host only this machine can."
            )
        )
