"""What `coherence demo` does, once its options are read: four runs that come with the package, audited.

Source: fixtures/runs/README.md.
"""

import tempfile
from argparse import Namespace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from coherence.cli import audit
from coherence.cli.main import options_of
from coherence.report import Report
from coherence.show.console import as_line, console
from coherence.show.manner import speak
from coherence.show.terminal import show_verdict

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = (_PACKAGE / "fixtures/runs", _PACKAGE.parent / "fixtures/runs")
"""Inside the package in a wheel, next to it in a checkout."""

AUDITED = (0, 1)
"""How an audit ends that has a report."""


class Story(NamedTuple):
    """A run that comes with the package: its folder, a title, and what happened in it."""

    run: str
    title: str
    text: str


STORIES = (
    Story(
        "healthy",
        "A healthy run",
        "A tiny GPT learns the documentation of Python for 1,200 steps. Its loss falls, and its samples "
        "turn from noise into something like documentation. Nothing is wrong.",
    ),
    Story(
        "leak",
        "The causal mask was forgotten",
        "The model sees the token that it has to predict. The loss falls to almost nothing, also on text "
        "that was kept back, and looks splendid. The samples repeat one sign or one word.",
    ),
    Story(
        "one-line",
        "The data loader got stuck",
        "From step 451 on the loader hands out one document, again and again. The loss falls, and 150 steps "
        "later the samples are that document, again and again.",
    ),
    Story(
        "lr",
        "The learning rate was 100 times too high",
        "From step 451 on the loss jumps and stays high. The samples become word salad. Salad varies, so "
        "the gate does not halt. The loss and the samples together show what is wrong.",
    ),
)


def run(options: Namespace) -> int:
    """Tell four stories, and write a page for each."""
    screen = console()
    speak(quiet=True)  # the audits
    folder = Path(tempfile.mkdtemp(prefix="coherence-demo-") if options.out is None else options.out)
    if folder.is_file():
        raise ValueError(f"{folder}: a file; expected the name of a folder")
    folder.mkdir(parents=True, exist_ok=True)
    for number, story in enumerate(STORIES, 1):
        page = folder / f"{story.run}.html"
        with tempfile.TemporaryDirectory(prefix="coherence-") as kept:
            written = Path(kept, "report.json")
            path = runs_folder() / story.run
            # Not by way of `main`: what a person has set for runs of their own would change the stories.
            audited = options_of(["audit", str(path), "--html", str(page), "--json", str(written)])
            audited.typed = ["demo"]
            status = audit.run(audited)
            if status not in AUDITED:
                return status
            report = Report.from_json(written.read_text(encoding="utf-8"))
        _show(f"{number} of {len(STORIES)}: {story.title}", story.text, report, screen)
    _show_pages(folder, screen)
    return 0


def runs_folder() -> Path:
    """Return the folder of the runs that come with the package.

    Raises:
        FileNotFoundError: they were left out of this installation.

    >>> (runs_folder() / "leak" / "samples.jsonl").exists()
    True
    """
    for folder in _FOLDERS:
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"{_FOLDERS[0]}: no such folder; the runs of the demo were left out")


def _show(title: str, text: str, report: Report, screen: Console) -> None:
    screen.print(as_line(title), style="bold")
    screen.print(as_line(text))
    show_verdict(report, screen)
    screen.print()


def _show_pages(folder: Path, screen: Console) -> None:
    screen.print("Open the reports in a browser", style="bold")
    for story in STORIES:
        screen.print(as_line((folder / f"{story.run}.html").resolve().as_uri()), soft_wrap=True)
    screen.print(as_line("Your own run: coherence audit PATH --html report.html"))
