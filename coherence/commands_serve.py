"""What `coherence serve` does, once its options are read."""

from argparse import Namespace
from pathlib import Path

from rich.text import Text

from coherence.dashboard import Server, is_loopback
from coherence.harmless import printable
from coherence.html import chart_library
from coherence.streams import console


def serve(options: Namespace) -> int:
    """Serve the page of a run that goes on, or of several, until Ctrl-C."""
    folder: Path = options.folder
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected the folder of a run, or one that holds such")
    screen = console()
    with Server(folder, options.host, options.port) as server:
        host, port = str(server.server_address[0]), server.server_address[1]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        screen.print(Text(f"{address} shows {printable(str(folder))}"), soft_wrap=True)
        if not is_loopback(options.host):
            screen.print(
                Text(
                    f"Whoever can reach port {port} of this machine can read every sample and every loss of "
                    "these runs: no password, no encryption. Without --host only this machine can."
                )
            )
        if not chart_library():
            screen.print(
                Text("plain curves; the extra report (pip install 'coherence[report]') draws better")
            )
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            screen.print(Text("stopped"))
    return 0
