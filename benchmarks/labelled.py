"""Reads the input of the benchmark of detection: labelled samples, and files of many kinds."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from coherence import Scores, score
from coherence.scoring.text import answer

EXCERPT, FEWEST = 1_500, 500
"""Characters of an excerpt, approximately, and of the shortest one."""

LARGEST = 20_000_000
"""Bytes of the largest file that is read."""

FEWEST_FILES, MOST_FILES = 25, 200
"""Files that an extension needs to count as a kind, and files that are judged for it at most."""


class Text:
    """A sample with its class, or an excerpt with its kind, scored once."""

    def __init__(self, kind: str, row: Mapping[str, Any]) -> None:
        self.kind = kind
        self.row = row

    @cached_property
    def scores(self) -> Scores:
        """The four scores."""
        return score(self.row["text"], self.row.get("prompt"))

    @cached_property
    def answer(self) -> str:
        """What the model wrote, without the prompt and special tokens: the input of a peer."""
        return answer(self.row["text"], self.row.get("prompt"))

    @property
    def step(self) -> int:
        """The step of a sample of a run."""
        return int(self.row["step"])


def read_classes(folder: Path) -> list[Text]:
    """Return the samples of `classes/*.jsonl`."""
    return [text for path in sorted(folder.glob("classes/*.jsonl")) for text in _rows(path)]


def read_runs(folder: Path) -> dict[str, list[Text]]:
    """Return the samples of each run of `runs/*.jsonl`, in the order of their steps."""
    found = {path.stem: list(_rows(path)) for path in sorted(folder.glob("runs/*.jsonl"))}
    return {name: sorted(texts, key=lambda text: text.step) for name, texts in found.items()}


def read_labels(folder: Path) -> dict[str, str]:
    """Return the label of each run, by its name: healthy, collapsed or ambiguous."""
    labels = json.loads((folder / "runs" / "LABELS.json").read_text(encoding="utf-8"))
    return {label["run"]: label["label"].split(":")[0] for label in labels}


def _rows(path: Path) -> Iterator[Text]:
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        # Machine logs, low by nature, are a separate class.
        yield Text("machine logs" if "log lines" in row["genre"] else str(row["kind"]), row)


def read_kinds(folder: Path) -> dict[str, list[str]]:
    """Return the texts of the files of each extension; if there are many, evenly spaced ones."""
    paths: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*.*")):
        judged = path.suffix and path.is_file() and not path.is_symlink()
        if judged and FEWEST <= path.stat().st_size <= LARGEST:
            paths[path.suffix.lower()].append(path)
    found = {}
    for extension, files in sorted(paths.items()):
        texts = list(filter(None, map(_text_of, files[:: -(-len(files) // MOST_FILES)])))
        if len(texts) >= FEWEST_FILES:
            found[extension] = texts
    return found


def _text_of(path: Path) -> str | None:
    """Return the text of a file; None if it is not text, or shorter than the shortest excerpt."""
    data = path.read_bytes()
    text = data.decode("utf-8", errors="replace")
    binary = b"\0" in data or text.count("\ufffd") > len(text) / 100
    return None if binary or len(text) < FEWEST else text


def excerpts(kinds: Mapping[str, Sequence[str]]) -> list[Text]:
    """Return one excerpt of every file, from the beginning of a line to the end of a line."""
    found = []
    for kind, texts in kinds.items():
        for text in texts:
            place = Random(text).randrange(max(1, len(text) - EXCERPT))  # noqa: S311 - not for secrets
            start = text.rfind("\n", 0, place) + 1
            end = text.find("\n", start + EXCERPT)
            end = end if start < end < start + 2 * EXCERPT else start + EXCERPT
            found.append(Text(kind, {"text": text[start:end]}))
    return [text for text in found if len(text.row["text"]) >= FEWEST]
