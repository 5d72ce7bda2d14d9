"""Which files a person means by a path: a file, a folder of samples, a run folder."""

from pathlib import Path

SAMPLES = "samples.jsonl"
LOSSES = ("metrics.jsonl", "trainer_state.json", "metrics.csv")


def sample_files(paths: list[Path]) -> list[Path]:
    """Return the files of samples that `paths` stand for, in the order given.

    A folder stands for its `samples.jsonl`, or else for all its files of JSON lines but the metrics.

    Raises:
        FileNotFoundError: a path does not exist.
        ValueError: a folder holds no samples.
    """
    return [file for path in paths for file in _files_of(path)]


def _files_of(path: Path) -> list[Path]:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if not path.is_dir():
        return [path]
    if (samples := path / SAMPLES).is_file():
        return [samples]
    found = sorted(file for file in path.glob("*.jsonl") if file.is_file() and file.name not in LOSSES)
    if not found:
        raise ValueError(f"{path}: a folder without samples; expected {SAMPLES} or other *.jsonl in it")
    return found


def loss_file(paths: list[Path]) -> Path | None:
    """Return the losses that lie beside the samples, if there are any."""
    folders = [
        path if path.is_dir() else path.parent for path in paths if path.is_dir() or path.name == SAMPLES
    ]
    return next((folder / name for folder in folders for name in LOSSES if (folder / name).is_file()), None)


def text_files(corpus: Path) -> list[Path]:
    """Return the text and JSON-lines files that a corpus consists of.

    Raises:
        FileNotFoundError: the path does not exist.
        ValueError: the folder holds neither.
    """
    if not corpus.exists():
        raise FileNotFoundError(f"{corpus}: no such file or folder")
    if not corpus.is_dir():
        return [corpus]
    found = sorted(
        path for path in corpus.rglob("*") if path.suffix in (".txt", ".md", ".jsonl") and path.is_file()
    )
    if not found:
        raise ValueError(f"{corpus}: a folder without text; expected *.txt, *.md or *.jsonl in it")
    return found
