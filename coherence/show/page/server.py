"""The report page of runs that are going on, for a browser: read-only, a fixed list of paths.

Source: docs/page.md, "The server".
"""

import json
import re
import socket
import sys
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from ipaddress import ip_address
from pathlib import Path
from socketserver import TCPServer
from threading import BoundedSemaphore, Lock
from time import monotonic
from traceback import format_exc
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from coherence.escape import printable
from coherence.report import Status
from coherence.show.page.dump import ServedDump, holdings
from coherence.show.page.follow import QUIET, Run, age_of, is_run, status
from coherence.show.page.page import asset, live_page, page_policy, page_script

MOST_RUNS = 200
"""Run folders that are listed."""

FOLLOWED = 4
"""Runs that are kept in memory: those that were asked for last."""

PATIENCE = 30
"""Seconds that a browser may take for its whole request, and again for the answer."""

MOST_CONNECTIONS = 64
"""Connections at a time; one more, and the oldest is closed. A browser holds six."""

LAST_ANSWERS = 5
"""Seconds that answers have which are on their way when the server ends."""

LONGEST_HEAD = 2**15
"""Bytes of a request; browsers send a few hundred."""

HEAD_ENDS = re.compile(rb"\r?\n\r?\n")

LONGEST_QUERY = 4000

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Runs:
    """The runs of a folder: the folder of one run, or one that holds run folders.

    Args:
        folder: where they are; they may appear later.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._followed: OrderedDict[str, tuple[Run, Lock]] = OrderedDict()
        self._lock = Lock()

    def found(self) -> dict[str, Path]:
        """Return the run folders by their names."""
        if is_run(self.folder):
            return {self.folder.resolve().name: self.folder}
        inside = self.folder.resolve()
        try:
            # A link to a run elsewhere would show what nobody asked to be shown.
            folders = sorted(
                each
                for each in self.folder.iterdir()
                if is_run(each) and each.resolve().is_relative_to(inside)
            )
        except OSError:
            return {}
        return {each.name: each for each in folders[:MOST_RUNS]}

    def overview(self) -> dict[str, Any]:
        """Return the status of each run; without any, what the folder holds."""
        lines = [{"run": name} | self._line(name, folder) for name, folder in self.found().items()]
        return {"runs": lines} if lines else {"runs": [], "holds": holdings(self.folder)}

    def _line(self, name: str, folder: Path) -> dict[str, Any]:
        """Return the run in a line: as it is read, or as its status says that is written now and then."""
        state = status(folder)
        with self._lock:
            known = self._followed.get(name)
            room = len(self._followed) < FOLLOWED
        if known is None and (state is not None or not room):
            return _told_by(state, folder)
        run, lock = known or self._follow(name, folder)
        with lock:
            run.read()
            return run.line() if state is None or not run.reads else _told_by(state, folder)

    def news(self, name: str, epoch: int, since: int) -> dict[str, Any] | None:
        """Return what a page does not know of a run yet; None where there is no such run."""
        folder = self.found().get(name)
        if folder is None:
            return None
        run, lock = self._follow(name, folder)
        with lock:
            run.read()
            return run.news(epoch, since)

    def _follow(self, name: str, folder: Path) -> tuple[Run, Lock]:
        with self._lock:
            if name not in self._followed:
                self._followed[name] = Run(folder), Lock()
            self._followed.move_to_end(name)
            if len(self._followed) > FOLLOWED:
                self._followed.popitem(last=False)
            return self._followed[name]


def _told_by(state: Status | None, folder: Path) -> dict[str, Any]:
    age = age_of(folder)
    return {
        "last_step": state.step if state else None,
        "smoothed": state.smoothed if state else None,
        "halt": bool(state and state.gate.halted),
        "halt_step": None,
        "diagnosis": state.diagnosis.to_plain() if state else {"action": "watch", "name": "not read yet"},
        "age": age,
        "quiet": age is None or age > QUIET,
        "reading": None,
    }


class _Reply(NamedTuple):
    status: HTTPStatus
    kind: str
    body: bytes
    tag: str = ""  # of what a browser may keep
    policy: str = POLICY


class Server(ThreadingHTTPServer):
    """Serves the page and what it asks for: GET and HEAD, of a fixed list of paths.

    Args:
        folder: of a run, or of several, or what another trainer wrote: a file or a folder.
        host: the address to listen at; bound to this machine only those names of it are answered to.
        port: 0 for any that is free.
        patience: seconds that a browser may take, see `PATIENCE`.
        dump: what is at the folder if it holds no run; without it, it is read when it is asked for.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        folder: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        patience: float = PATIENCE,
        dump: ServedDump | None = None,
    ) -> None:
        self._connections: dict[Any, None] = {}  # the oldest first
        self._lock, self._room = Lock(), BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__((host, port), _Handler)
        self.runs, self.dump = Runs(folder), dump or ServedDump(folder)
        self.loopback, self.patience = is_loopback(host), patience
        self.paths: dict[str, Callable[[dict[str, str]], _Reply]] = {
            "/": self._first,
            "/page.js": _fixed("text/javascript", page_script()),
            "/style.css": _fixed("text/css", asset("style.css")),
            "/runs.json": self._overview,
            "/run.json": self._run,
        }
        self._live = _fixed("text/html", live_page())

    def server_bind(self) -> None:
        """Listen, without asking the network for this machine's name as `HTTPServer` does."""
        TCPServer.server_bind(self)

    def server_close(self) -> None:
        """Stop listening, and let what is being answered come to its end, for a while.

        A thread that is cut off where the interpreter ends may make the whole process fail.
        """
        super().server_close()
        with self._lock:
            for request in self._connections:
                with suppress(OSError):  # it has just ended by itself
                    request.shutdown(socket.SHUT_RD)
        end = monotonic() + LAST_ANSWERS
        for _ in range(MOST_CONNECTIONS):
            self._room.acquire(timeout=max(0.0, end - monotonic()))

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own; where all are taken, the oldest connection makes room.

        A page that has just asked is answered, however many hold a connection and say nothing.
        """
        if not self._room.acquire(blocking=False):
            self._close_oldest()
            if not self._room.acquire(timeout=1):
                self.shutdown_request(request)
                return
        with self._lock:
            self._connections[request] = None
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._forget(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one connection, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._forget(request)

    def _close_oldest(self) -> None:
        with self._lock:
            oldest = next(iter(self._connections), None)
            self._connections.pop(oldest, None)
        if oldest is not None:
            with suppress(OSError):  # it has just ended by itself
                oldest.shutdown(socket.SHUT_RDWR)

    def _forget(self, request: Any) -> None:
        with self._lock:
            self._connections.pop(request, None)
        self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as it is called there
        """Say nothing of a browser that went away; of anything else what went wrong."""
        if not isinstance(sys.exception(), OSError):
            # An error may hold what stands in a run.
            sys.stderr.write("".join(f"{printable(line)}\n" for line in format_exc().splitlines()))

    def _first(self, asked: dict[str, str]) -> _Reply:
        """Return the live page; where there is no run but a dump, the report page of that."""
        page = "" if self.runs.found() else self.dump.page()
        if not page:
            return self._live(asked)
        policy = f"{page_policy(page)}; frame-ancestors 'none'"
        return _fixed("text/html", page)(asked)._replace(policy=policy)

    def _overview(self, _: dict[str, str]) -> _Reply:
        found = self.runs.overview()
        return _json(found if found["runs"] else found | {"dump": bool(self.dump.page())})

    def _run(self, asked: dict[str, str]) -> _Reply:
        try:
            epoch, since = int(asked.get("epoch", "0")), int(asked.get("since", "-1"))
        except ValueError:
            return _refusal(HTTPStatus.BAD_REQUEST)
        found = self.runs.news(asked.get("run", ""), epoch, since)
        return _refusal(HTTPStatus.NOT_FOUND) if found is None else _json(found)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0")]
    [True, True, True, False]
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _fixed(kind: str, text: str) -> Callable[[dict[str, str]], _Reply]:
    reply = _Reply(HTTPStatus.OK, kind, text.encode(), f'"{sha256(text.encode()).hexdigest()[:32]}"')
    return lambda _: reply if text else _refusal(HTTPStatus.NOT_FOUND)


def _json(found: dict[str, Any]) -> _Reply:
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    return _Reply(HTTPStatus.OK, "application/json", text.encode(errors="replace"))


def _refusal(found: HTTPStatus) -> _Reply:
    return _Reply(found, "text/plain", found.phrase.encode())


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version, sys_version = "coherence", ""
    default_request_version = "HTTP/1.0"  # the one before has no headers, so no policy

    def handle(self) -> None:
        """Answer one request; whatever else is sent on the connection is not read."""
        head = self._head()
        self.rfile.close()
        self.rfile = BytesIO(head)
        self.requestline, self.command, self.request_version = "", "", self.default_request_version
        if len(head) > LONGEST_HEAD:
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            self.handle_one_request()

    def _head(self) -> bytes:
        """Return the request up to its blank line: nothing if none comes, too much if it is too long."""
        end, head = monotonic() + self.server.patience, bytearray()
        while not HEAD_ENDS.search(head, max(0, len(head) - 5000)) and len(head) <= LONGEST_HEAD:
            # For all of it together: a byte now and then would hold the connection for ever.
            self.connection.settimeout(max(0.001, end - monotonic()))
            if not (more := self.connection.recv(4096)):
                return b""
            head += more
        self.connection.settimeout(self.server.patience)
        return bytes(head)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 - as it is called there
        """Refuse what is no request of ours in words of ours: nothing of it is sent back."""
        body = self._send(_refusal(HTTPStatus(code)), known=False)
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> bytes:
        """Answer without what was asked for; return it."""
        reply = self._reply()
        known = bool(reply.tag) and self.headers.get("If-None-Match") == reply.tag
        return self._send(reply, known)

    def _send(self, reply: _Reply, known: bool) -> bytes:
        self.send_response(HTTPStatus.NOT_MODIFIED if known else reply.status)
        for name, value in {"Content-Security-Policy": reply.policy, **HEADERS}.items():
            self.send_header(name, value)
        # What belongs to this version is kept, but asked about each time; what a run says is not kept.
        self.send_header("Cache-Control", "no-cache" if reply.tag else "no-store")
        if reply.tag:
            self.send_header("ETag", reply.tag)
        if not known:
            self.send_header("Content-Type", f"{reply.kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        return b"" if known else reply.body

    def do_GET(self) -> None:
        """Answer."""
        self.wfile.write(self.do_HEAD())

    def _reply(self) -> _Reply:
        hosts = self.headers.get_all("Host", [""])
        if self.server.loopback and not all(is_loopback(_host(each)) for each in hosts):
            return _refusal(HTTPStatus.MISDIRECTED_REQUEST)  # another site's name that was turned to us
        path, _, query = self.path.partition("?")
        found = self.server.paths.get(path)
        if found is None:
            return _refusal(HTTPStatus.NOT_FOUND)
        return found(dict(parse_qsl(query[:LONGEST_QUERY])))

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - as it is called there
        """Say nothing: a page that polls would fill the screen."""


def _host(given: str) -> str:
    try:
        return urlsplit(f"//{given}").hostname or ""
    except ValueError:
        return ""
