"""Ask a running `coherence serve` whatever comes to mind, hold a thousand connections; see what it gives.

    python tests/campaigns/server.py --requests 20000 --slow 1000

A process serves a folder that stands beside secrets, with a link to them in it. It is sent requests made at
random of the pieces of which attacks are made; in between, slow clients by the thousand. Ends with 1 if
a secret was sent, if an honest request was not answered, if files stayed open, or if it is no longer up.
"""

import argparse
import json
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

from coherence.run.monitor import Monitor

SECRET = b"the old man walked along the river and kept his secret"
METHODS = [*["GET"] * 9, "HEAD", "POST", "PUT", "OPTIONS", "TRACE", "CONNECT", "get", "\x1b[2J", ""]
CLIMBS = ["..", "%2e%2e", "%252e%252e", ".%00.", "%c0%ae%c0%ae", "%uff0e%uff0e", "..;", ".", ""]
SLASHES = ["/", "//", "\\", "%2f", "%5c", "%252f", "%c0%af", "/./", "?", "#", "\x00", ":", "@"]
ENDS = [
    "samples.jsonl",
    "secret.txt",
    "exp/notes.txt",
    "stolen/samples.jsonl",
    "etc/passwd",
    "page.js",
    "run.json",
    "runs.json",
]
QUERIES = [
    "",
    "?run=exp",
    "?run=stolen",
    "?run=..",
    "?run=/etc",
    "?epoch=9e9",
    "?since=-99999999999",
    "?run=exp&since=x",
    "?%00",
    "?run=exp&epoch=1&since=%31",
]
VERSIONS = ["HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/9.9.9", "HTTP/1.²", "", "ICAP/1.0"]
HOSTS = ["localhost"] * 9 + ["evil.example", "localhost@evil.example", "[::1", "127.0.0.1.evil.example"]
HEADERS = [
    "Host: evil.example",
    "Content-Length: 5",
    "Content-Length: -1",
    "Transfer-Encoding: chunked",
    "Connection: keep-alive",
    "Expect: 100-continue",
    "Origin: http://evil.example",
    "If-None-Match: *",
    "Range: bytes=0-",
    "X-Original-URL: /etc/passwd",
    "X: " + "a" * 40_000,
    " folded",
    "no colon",
    "\x00: \x1b[2J",
    "Upgrade: h2c",
]


def request(random: Random) -> bytes:
    """Make a request at random."""
    steps = [random.choice(SLASHES) + random.choice(CLIMBS) for _ in range(random.randrange(4))]
    path = "".join(steps) + random.choice(SLASHES) + random.choice([*ENDS, ""]) + random.choice(QUERIES)
    if random.random() < 0.3:
        path = "/" + random.choice(ENDS) + random.choice(QUERIES)
    version = "HTTP/1.1" if random.random() < 0.9 else random.choice(VERSIONS)
    more = random.choices(HEADERS, k=random.choice([0, 0, 0, 1, 2, 5]))
    lines = [f"{random.choice(METHODS)} {path} {version}", f"Host: {random.choice(HOSTS)}", *more]
    end = random.choice(["\r\n"] * 8 + ["\n", "\r"])
    whole = (end.join(lines) + end * (2 if random.random() < 0.95 else 1)).encode("latin-1", "replace")
    if random.random() < 0.1:
        whole = whole[: random.randrange(len(whole))] + random.randbytes(random.randrange(200))
    return whole * random.choice([1, 1, 1, 3])


class Served:
    """A server in a process of its own, and what it holds."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "coherence.cli", "serve", str(folder), "--port", "0"]
        self.said = (folder.parent / "said").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(command, stderr=self.said, env={"COLUMNS": "300", "PATH": ""})  # noqa: S603 - our own
        while not (
            found := re.search(r"http://127\.0\.0\.1:(\d+)/", (folder.parent / "said").read_text("utf-8"))
        ):
            time.sleep(0.05)
        self.port = int(found[1])

    def connect(self) -> socket.socket:
        """Return a new connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def ask(self, sent: bytes) -> bytes:
        """Send bytes, and return all that comes back."""
        found = b""
        with self.connect() as client, suppress(OSError):
            with suppress(OSError):
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
            while more := client.recv(65536):
                found += more
        return found

    def answers(self) -> float | None:
        """Return in how many seconds an honest request is answered; None if it is not."""
        start = time.monotonic()
        found = self.ask(b"GET /runs.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return time.monotonic() - start if found.startswith(b"HTTP/1.0 200") else None

    def files(self) -> int:
        """Return how many files it holds open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def memory(self) -> float:
        """Return the megabytes that it holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1000


def prepare(folder: Path) -> Path:
    """Make a run beside secrets, and links to them."""
    runs = folder / "runs"
    with Monitor(runs / "exp", vocab_size=100) as monitor:
        monitor.sample(1, "Once upon a time there was a river.")
    with Monitor(folder / "outside") as monitor:
        monitor.sample(1, SECRET.decode())
    for path in (folder / "secret.txt", folder / "samples.jsonl", runs / "exp" / "notes.txt"):
        path.write_bytes(SECRET)
    (runs / "stolen").symlink_to(folder / "outside", target_is_directory=True)
    (runs / "exp" / "metrics.jsonl").unlink(missing_ok=True)
    (runs / "exp" / "metrics.jsonl").symlink_to(folder / "outside" / "samples.jsonl")
    return runs


def hold(served: Served, count: int, begun: bytes) -> tuple[int, float | None]:
    """Hold so many connections; return the most files that were open, and how soon another was answered."""
    clients = []
    for _ in range(count):
        clients.append(served.connect())
        with suppress(OSError):
            clients[-1].sendall(begun)
    most, answered = served.files(), served.answers()
    for client in clients:
        client.close()
    return most, answered


def main() -> int:
    """Run the campaign, print its figures, and return 1 if something was given away or lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--slow", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    random, codes, given_away, unanswered = Random(options.seed), Counter[str](), 0, 0  # noqa: S311 - no secrets
    with tempfile.TemporaryDirectory() as folder:
        served = Served(prepare(Path(folder)))
        served.answers()
        before, memory = served.files(), served.memory()
        for number in range(options.requests):
            answer = served.ask(request(random))
            given_away += SECRET in answer or b"root:" in answer or answer.count(b"HTTP/1.0 ") > 1
            codes[answer.split(None, 2)[1].decode() if answer.startswith(b"HTTP/") else "closed"] += 1
            unanswered += number % 100 == 0 and served.answers() is None
        for begun in (b"", b"GET / HTTP/1.1\r\nX: ", b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            most, answered = hold(served, options.slow, begun)
            unanswered += answered is None
            how = "not at all" if answered is None else f"in {answered:.2f} s"
            print(f"{options.slow} slow clients, {begun[:16]!r}: {most} files open, another answered {how}")
        time.sleep(1)
        left, up = served.files() - before, served.process.poll() is None
        grown = served.memory() - memory
        served.process.terminate()
        served.said.seek(0)
        errors = served.said.read().count("Traceback")
    print(f"{options.requests} requests: {json.dumps(dict(codes.most_common()))}")
    print(
        f"given away {given_away}, unanswered {unanswered}, files left open {left}, errors {errors}, up {up}"
    )
    print(f"memory grew by {grown:.1f} MB")
    return bool(given_away or unanswered or errors or left > 0 or not up)


if __name__ == "__main__":
    sys.exit(main())
