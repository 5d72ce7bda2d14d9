"""Alerts for a halt: through a webhook or a tracker. Sending an alert neither blocks nor raises.

Each is a function for `Monitor(on_halt=...)`. Source: docs/watch.md, "Alerts".
"""

import atexit
import contextvars
import json
import logging
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from coherence.escape import printable
from coherence.signals.gate import Verdict

TIMEOUT = 10.0
"""Seconds that sending may take, and that a program waits for it when it ends."""

TITLE = "coherence: training halted"

log = logging.getLogger("coherence")

_sending: list[threading.Thread] = []


@atexit.register
def finish(timeout: float = TIMEOUT) -> None:
    """Wait at most `timeout` seconds until all alerts are sent; a program does so when it ends."""
    end = time.monotonic() + timeout
    while _sending:
        thread = _sending.pop()
        thread.join(max(0.0, end - time.monotonic()))


class _Alert:
    """Sends in a thread; a failure is logged once, and does not affect the run.

    Args:
        run: the name of the run in the alert.
    """

    def __init__(self, run: str = "") -> None:
        self.run = run
        self._failed = False

    def __call__(self, verdict: Verdict) -> None:
        """Send that the gate has halted the run."""
        self.say(f"{f'{self.run}: ' if self.run else ''}halted at step {verdict.step:,}: {verdict.reason}")

    def say(self, text: str) -> None:
        """Send a text without waiting for it."""
        # A tracker's current run belongs to the context of the caller.
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run, args=(self._try, text), daemon=True, name="coherence-alert"
        )
        _sending[:] = [each for each in _sending if each.is_alive()]
        try:
            thread.start()
        except RuntimeError as error:  # the system does not start another thread
            self._warn(error)
            return
        _sending.append(thread)

    def _try(self, text: str) -> None:
        try:
            self._send(text)
        except Exception as error:  # whatever a tracker or a network does, the run continues
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._failed:
            why = printable(f"{type(error).__name__}: {error}")
            log.warning("the alert could not be sent (%s): %s; logged once", type(self).__name__, why)
        self._failed = True

    def _send(self, text: str) -> None:
        raise NotImplementedError


class Webhook(_Alert):
    """Posts `{"text": ...}` to a URL, which Slack, Mattermost, Rocket.Chat and Google Chat accept.

    Discord accepts it at the webhook's URL followed by `/slack`.

    Args:
        url: of the webhook, http or https.
        run: the name of the run in the alert.
        timeout: seconds.

    Raises:
        ValueError: `url` is not such a URL.

    >>> Webhook("hooks.example.com/T1")
    Traceback (most recent call last):
    ValueError: webhook 'hooks.example.com/T1'; expected a URL that begins with https:// or http://
    """

    def __init__(self, url: str, run: str = "", timeout: float = TIMEOUT) -> None:
        super().__init__(run)
        if not url.startswith(("https://", "http://")):
            raise ValueError(f"webhook {url!r}; expected a URL that begins with https:// or http://")
        self._url, self._timeout = url, timeout

    def _send(self, text: str) -> None:
        post(self._url, {"text": _escaped(text)}, self._timeout)


class WandbAlert(_Alert):
    """Sends `wandb.alert` of the current run of Weights & Biases, at the level ERROR."""

    def _send(self, text: str) -> None:
        _alert_of("wandb", text)


class TrackioAlert(_Alert):
    """Sends `trackio.alert` of the current run of trackio, at the level ERROR."""

    def _send(self, text: str) -> None:
        _alert_of("trackio", text)


def _alert_of(tracker: str, text: str) -> None:
    library: Any = import_module(tracker)
    alert: Callable[..., object] = library.alert
    alert(title=TITLE, text=text, level=library.AlertLevel.ERROR)


def post(
    url: str, body: Mapping[str, Any], timeout: float, headers: Mapping[str, str] | None = None
) -> bytes:
    """Post JSON to a URL and return the answer.

    Raises:
        OSError: there is no answer in time, or the answer is an error.
    """
    found = {"Content-Type": "application/json", "User-Agent": "coherence"} | dict(headers or {})
    request = urllib.request.Request(url, json.dumps(body).encode(), found, method="POST")  # noqa: S310 - the user's
    with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310 - the user's
        data: bytes = answer.read()
    return data


def _escaped(text: str) -> str:
    """Return text in which Slack finds neither links nor mentions.

    >>> _escaped("<!channel> a & b")
    '&lt;!channel&gt; a &amp; b'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
