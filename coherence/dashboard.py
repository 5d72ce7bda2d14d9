"""The report page of runs that are going on, for a browser: read-only, a fixed list of paths.

Source: docs/page.md, "The server".
"""

import json
import sys
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from coherence.html import asset, chart_library, live_page
from coherence.live import QUIET, Run, age_of, is_run, status

MOST_RUNS = 200
"""Run folders that are listed."""

FOLLOWED = 4
"""Runs that are kept in memory: those that were asked for last."""

PATIENCE = 30
"""Seconds that a browser may take for its request."""

LONGEST_QUERY = 4000

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
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
        try:
            folders = sorted(each for each in self.folder.iterdir() if is_run(each))
        except OSError:
            return {}
        return {each.name: each for each in folders[:MOST_RUNS]}

    def overview(self) -> dict[str, Any]:
        """Return the status of each run."""
        return {"runs": [_line(name, folder) for name, folder in self.found().items()]}

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


def _line(name: str, folder: Path) -> dict[str, Any]:
    told, age = status(folder), age_of(folder)
    diagnosis = told.diagnosis.model_dump() if told else {"action": "watch", "name": "no status yet"}
    return {
        "run": name,
        "last_step": told.step if told else None,
        "smma": told.smma if told else None,
        "halt": bool(told and told.gate.halted),
        "halt_reason": told.gate.reason if told else None,
        "diagnosis": diagnosis,
        "age": age,
        "quiet": age is None or age > QUIET,
    }


class _Reply(NamedTuple):
    status: HTTPStatus
    kind: str
    body: bytes
    tag: str = ""  # of what a browser may keep


class Server(ThreadingHTTPServer):
    """Serves the page and what it asks for: GET and HEAD, of a fixed list of paths.

    Args:
        folder: of a run, or of several.
        host: the address to listen at; bound to this machine only those names of it are answered to.
        port: 0 for any that is free.
    """

    daemon_threads = True

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((host, port), _Handler)
        self.runs = Runs(folder)
        self.loopback = is_loopback(host)
        self.paths: dict[str, Callable[[dict[str, str]], _Reply]] = {
            "/": _fixed("text/html", live_page()),
            "/page.js": _fixed("text/javascript", asset("page.js")),
            "/style.css": _fixed("text/css", asset("style.css")),
            "/plotly.js": _fixed("text/javascript", chart_library()),
            "/runs.json": lambda _: _json(self.runs.overview()),
            "/run.json": self._run,
        }

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away; of anything else what went wrong."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

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
    timeout = PATIENCE
    server_version, sys_version = "coherence", ""

    def do_HEAD(self) -> bytes:
        """Answer without what was asked for; return it."""
        reply = self._reply()
        known = bool(reply.tag) and self.headers.get("If-None-Match") == reply.tag
        self.send_response(HTTPStatus.NOT_MODIFIED if known else reply.status)
        for name, value in HEADERS.items():
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
        if self.server.loopback and not is_loopback(_host(self.headers.get("Host", ""))):
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
