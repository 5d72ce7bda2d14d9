"""The command line as a user sees it: arguments in, the exit status and the printed text out."""

from typing import NamedTuple

import pytest

from coherence.cli.main import main

# A language without any repetition: a score is what the formula gives, independent of the default.
DIVERSE = [[1, 1], [100_000, 100_000]]
PROFILE = {
    "format": 1,
    "name": "all different",
    "source": "test",
    "tokens": 1,
    "date": "2026-01-01",
    "english_share": 1.0,
    "curves": dict.fromkeys(("bigram", "trigram", "english", "character"), DIVERSE),
}


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


class Shell:
    """Runs `coherence`, with arguments that every call has in common."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *begin: str) -> None:
        self.capsys = capsys
        self._begin = begin

    def __call__(self, *arguments: str) -> Outcome:
        try:
            status = main([*self._begin, *arguments])
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        return Outcome(status, *self.capsys.readouterr())

    def refused(self, *arguments: str) -> str:
        """Return the one-line message with which these arguments are refused."""
        status, out, err = self(*arguments)
        assert (status, out) == (2, "")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        return err
