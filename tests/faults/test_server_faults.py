"""What `coherence serve` withstands: paths out of the folder, requests of no browser, slow clients.

Paths, methods, names of other sites and what is told of a run: tests/show/page/test_server.py.
The long campaign: tests/campaigns/server.py.
"""

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest

from coherence.run.monitor import Monitor
from coherence.show.page.server import HEADERS, LONGEST_HEAD, MOST_CONNECTIONS, PATIENCE, Server

pytestmark = pytest.mark.once

SECRET = "the old man walked along the river and kept his secret"  # noqa: S105 - of no one
ROW: dict[str, Any] = {
    "format": 1,
    "step": 7,
    "index": 0,
    "prompt": None,
    "text": SECRET,
    "low": False,
    "streak": 0,
}
ROW |= {"scores": dict.fromkeys(("bigram", "trigram", "english", "character"), 50.0), "time": 1.0}
ANSWERED = 20
"""Seconds in which a client is answered, however busy the machine, unless it waits for others."""
HOST = b"Host: localhost\r\n"


@contextmanager
def serving(folder: Path, patience: float = PATIENCE) -> Iterator[Server]:
    """Serve a folder from this process, so that its threads and files can be counted."""
    with Server(folder, patience=patience) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with one run, beside a secret."""
    folder = tmp_path / "runs"
    with Monitor(folder / "exp") as monitor:
        monitor.loss(1, 3.0)
    (folder / "exp" / "notes.txt").write_text(SECRET, encoding="utf-8")
    (tmp_path / "samples.jsonl").write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def server(runs: Path) -> Iterator[Server]:
    with serving(runs) as started:
        yield started


def connect(server: Server) -> socket.socket:
    return socket.create_connection(server.server_address[:2], timeout=ANSWERED)  # type: ignore[arg-type]


def exchange(server: Server, request: bytes) -> bytes:
    """Send bytes as they are; return all that comes back until the server closes."""
    with connect(server) as client:
        with suppress(OSError):  # it may have heard enough
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
        return received(client)


def received(client: socket.socket) -> bytes:
    found = b""
    with suppress(ConnectionError):
        while more := client.recv(65536):
            found += more
    return found


def get(server: Server, path: str = "/runs.json") -> bytes:
    return exchange(server, b"GET " + path.encode("latin-1") + b" HTTP/1.1\r\n" + HOST + b"\r\n")


def code(answer: bytes) -> int:
    return int(answer.split(None, 2)[1])


def wait(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something is so."""
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end
        sleep(0.01)


# Paths

CLIMBS = ("..", "%2e%2e", "%252e%252e", "..%00", ".%2e", "..;", "%c0%ae%c0%ae", "%uff0e%uff0e", "....")
SLASHES = ("/", "//", "\\", "%2f", "%5c", "%252f", "%c0%af", "/./", "\x00/")
TARGETS = ("samples.jsonl", "exp/notes.txt", "exp/samples.jsonl", "etc/passwd", "gate.json")
TRAVERSALS = sorted(
    {f"{slash}{climb}{slash}{target}" for climb in CLIMBS for slash in SLASHES for target in TARGETS}
    | {
        f"/page.js{slash}{climb}{slash}{target}"
        for climb in CLIMBS
        for slash in SLASHES
        for target in TARGETS
    }
    | {f"{scheme}localhost/exp/notes.txt" for scheme in ("http://", "file://", "//", "file:/", "http:\\\\")}
    | {"/exp", "/exp/", "/exp/notes.txt", "/page.js%00", "/page.js;", "/PAGE.JS", "/page.html", "*", "", "."}
)


@pytest.mark.slow
def test_no_spelling_of_a_path_leads_to_a_file(server: Server) -> None:
    for path in TRAVERSALS:
        answer = get(server, path)
        assert code(answer) in (400, 404), path
        assert SECRET.encode() not in answer
        assert b"root:" not in answer


def test_no_spelling_of_a_name_leads_to_another_run(server: Server, runs: Path) -> None:
    names = [
        f"{climb}{slash}{end}" for climb in CLIMBS for slash in SLASHES for end in ("", "exp", "runs/exp")
    ]
    names += ["", ".", "..", "/", str(runs / "exp"), str(runs.parent), "exp/", "./exp", "exp%00", "EXP", "*"]
    for name in names:
        answer = get(server, f"/run.json?run={name.replace(chr(0), '%00')}")
        assert code(answer) == 404, name
        assert SECRET.encode() not in answer


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="no links here that a file could be")
@pytest.mark.parametrize("linked", ["samples.jsonl", "metrics.jsonl", "loss.json"])
def test_a_link_in_a_run_folder_is_not_followed(runs: Path, linked: str) -> None:
    with Monitor(runs.parent / "outside") as monitor:
        monitor.loss(777, 0.125)
        monitor.sample(777, SECRET)
    (runs / "exp" / linked).unlink(missing_ok=True)
    (runs / "exp" / linked).symlink_to(runs.parent / "outside" / linked)
    with serving(runs) as server:
        told = get(server) + get(server, "/run.json?run=exp")
    assert told.count(b"HTTP/1.0 200") == 2
    assert not [word for word in (SECRET.encode(), b"777", b"0.125") if word in told]


def test_a_linked_folder_is_a_run_only_where_it_leads_to_one_that_is_served(runs: Path) -> None:
    outside = runs.parent / "outside"
    outside.mkdir()
    (runs.parent / "samples.jsonl").rename(outside / "samples.jsonl")
    (runs / "stolen").symlink_to(outside, target_is_directory=True)
    (runs / "latest").symlink_to(runs / "exp", target_is_directory=True)
    with serving(runs) as server:
        listed = json.loads(get(server).partition(b"\r\n\r\n")[2])["runs"]
        assert [each["run"] for each in listed] == ["exp", "latest"]
        assert code(get(server, "/run.json?run=stolen")) == 404


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.parametrize("name", ["samples.jsonl", "metrics.jsonl", "loss.json", "gate.json"])
def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(runs: Path, name: str) -> None:
    (runs / "exp" / "samples.jsonl").touch()
    (runs / "exp" / name).unlink(missing_ok=True)
    os.mkfifo(runs / "exp" / name)
    with serving(runs) as server:
        assert code(get(server)) == 200
        assert code(get(server, "/run.json?run=exp")) == 200


# Requests of no browser

ODD = {
    "nothing": (b"\r\n\r\n", None),
    "no method": (b"/ HTTP/1.1\r\n\r\n", 400),
    "words": (b"what is this thing\r\n\r\n", 400),
    "a script": (b"GET /<script>alert(1)</script> x y z\r\n\r\n", 400),
    "a colour": (b"\x1b[31mGET / HTTP/1.1\r\n\r\n", 501),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "the next version": (b"GET / HTTP/2.0\r\n\r\n", 505),
    "no version": (b"GET / HTTP/x\r\n\r\n", 400),
    "a small letter": (b"get / HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    "a long line": (b"GET /" + b"a" * 10**6 + b" HTTP/1.1\r\n\r\n", 431),
    "a long header": (b"GET / HTTP/1.1\r\nX: " + b"a" * 10**6 + b"\r\n\r\n", 431),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n", 431),
    "endless headers": (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10**5, 431),
    "two hosts": (b"GET /runs.json HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n", 421),
    "no host": (b"GET /runs.json HTTP/1.1\r\n\r\n", 421),
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_request_is_refused_in_words_of_ours(server: Server, odd: str) -> None:
    request, expected = ODD[odd]
    answer = exchange(server, request)
    if expected is None:
        assert answer == b""
    else:
        assert code(answer) == expected
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"Content-Type: text/plain" in head
        assert all(f"{name}: {value}".encode() in head for name, value in HEADERS.items())
        assert len(body) < 50
        assert not any(word in answer for word in (b"<", b"alert", b"\x1b", b"aaa", b"what"))
    assert code(get(server)) == 200


SMUGGLED = b"GET /page.js HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.mark.parametrize(
    "first",
    [
        b"GET /runs.json HTTP/1.1\r\n" + HOST + b"Connection: keep-alive\r\n\r\n",
        b"GET /runs.json HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED),
        b"GET /runs.json HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\nContent-Length: 9\r\n\r\n",
        b"GET /runs.json HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /runs.json HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: x\r\nContent-Length: 4\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n",
        b"GET /runs.json HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n\r\n",
        b"GET /runs.json HTTP/1.1\n" + HOST + b"\n",
        b"GET /runs.json\r\n" + HOST + b"\r\n",
    ],
)
def test_one_connection_is_one_request_whatever_follows_it(server: Server, first: bytes) -> None:
    answer = exchange(server, first + SMUGGLED * 3)
    assert answer.count(b"HTTP/1.") <= 1
    assert b"function" not in answer


def test_no_answer_is_for_another_site_to_read(server: Server) -> None:
    other = b"Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n"
    for path in (b"/", b"/runs.json", b"/run.json?run=exp", b"/nothing"):
        answer = exchange(server, b"GET " + path + b" HTTP/1.1\r\n" + HOST + other + b"\r\n").lower()
        assert b"access-control-" not in answer
        assert b"cross-origin-resource-policy: same-origin" in answer


def test_no_header_comes_out_of_a_request(server: Server) -> None:
    for path in ("/run.json?run=a%0d%0aX-Evil:1", "/%0d%0aX-Evil:1", "/?a\rX-Evil:1"):
        assert b"x-evil" not in get(server, path).partition(b"\r\n\r\n")[0].lower()


# Slow clients


def files_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process hold a thousand connections."""
    resource = pytest.importorskip("resource", reason="no limits to raise here")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(5000, before[1]) if before[1] > 0 else 5000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="open files are counted in /proc")
@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize(
    ("count", "begun"),
    [
        (1000, b"GET / HTTP/1.1\r\nX: "),
        (200, b""),
        (200, b"GET /page.js HTTP/1.1\r\n" + HOST + b"\r\n"),
    ],
)
def test_a_thousand_slow_clients_hold_nobody_else_up_and_leave_nothing_open(
    server: Server, count: int, begun: bytes
) -> None:
    get(server)
    before, clients = files_open(), []
    try:
        for _ in range(count):
            clients.append(connect(server))
            with suppress(OSError):
                clients[-1].sendall(begun)
        assert len(server._connections) <= MOST_CONNECTIONS
        assert files_open() - before - len(clients) <= MOST_CONNECTIONS + 5
        assert PATIENCE > ANSWERED  # so that who waits for one of them is not answered
        assert code(get(server)) == 200
    finally:
        for client in clients:
            client.close()
    wait(lambda: not server._connections)
    wait(lambda: files_open() <= before)


@pytest.mark.slow
def test_a_request_that_comes_a_byte_at_a_time_has_as_long_as_any_other(runs: Path) -> None:
    with serving(runs, patience=0.3) as server, connect(server) as client:
        client.settimeout(0.05)
        end, closed = monotonic() + 20, False
        while not closed:
            assert monotonic() < end
            try:
                client.sendall(b"a")
                closed = client.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                closed = True


def test_an_honest_request_in_small_pieces_is_answered(server: Server) -> None:
    with connect(server) as client:
        for byte in b"GET /runs.json HTTP/1.1\r\n" + HOST + b"\r\n":
            client.sendall(bytes([byte]))
        assert code(received(client)) == 200


def test_the_longest_request_that_is_read_is_answered(server: Server) -> None:
    head = b"GET /runs.json HTTP/1.1\r\n" + HOST + b"X: "
    assert code(exchange(server, head + b"a" * (LONGEST_HEAD - len(head) - 4) + b"\r\n\r\n")) == 200


def test_an_error_reaches_the_terminal_without_its_powers(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Any) -> None:
        raise KeyError("a run", ValueError("\x1b[31m\x9b2J")) from ValueError("\x1b]0;title\x07")

    monkeypatch.setitem(server.paths, "/runs.json", fail)
    assert get(server) == b""
    monkeypatch.undo()
    assert code(get(server)) == 200
    said = capsys.readouterr().err
    assert "]0;title" in said
    assert not set("\x1b\x9b\x07").intersection(said)
