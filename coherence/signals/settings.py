"""The settings of a run: how samples are scored, when the gate halts, how the loss is smoothed.

Gate, monitor, audit, page and command line share one type, so that each default is in one place. A run
folder holds its own settings in `settings.json`. Source: docs/training.md, "The run folder".
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from coherence.scoring.lexicon import Lexicon
from coherence.scoring.profile import Profile
from coherence.scoring.scores import LOW_BELOW
from coherence.signals.curve import WINDOW

__version__ = "0.1.0"
"""The version of this package: packaging reads it here, and written files contain it."""

FORMAT = 1

LARGEST = 2**26
"""Bytes of `settings.json` that are read; it may contain the user's word list."""


class Settings(NamedTuple):
    """Everything that a decision depends on besides samples and losses.

    Attributes:
        threshold, patience, window, warmup: of the gate.
        observe: decide and report, never ask to stop.
        smma_window: N of the SMMA, in rows of loss.
        vocab_size: for the uniform baseline; None if it was not given.
        lexicon: the words that count; None for the English words that come with the package.
        profile: the reference to score against; None for broad English.

    >>> Settings().threshold, Settings(patience=3).patience
    (30.0, 3)
    """

    threshold: float = LOW_BELOW
    patience: int = 5
    window: int | None = None
    warmup: int = 0
    observe: bool = False
    smma_window: int = WINDOW
    vocab_size: int | None = None
    lexicon: Lexicon | None = None
    profile: Profile | None = None

    def named(self) -> dict[str, Any]:
        """Return the settings as plain values: the lexicon and the profile by their labels.

        >>> Settings(warmup=2000).named()["warmup"]
        2000
        """
        return self._asdict() | {
            "lexicon": lexicon_label(self.lexicon),
            "profile": profile_label(self.profile),
        }

    def changes(self, other: "Settings") -> list[str]:
        """Return the differences to other settings, in words.

        >>> Settings().changes(Settings(warmup=2000, vocab_size=8449))
        ['warmup 0 → 2000', 'vocab size none → 8449']
        """
        ours, theirs = self.named(), other.named()
        return [
            f"{name.replace('_', ' ')} {_said(ours[name])} → {_said(theirs[name])}"
            for name in ours
            if ours[name] != theirs[name]
        ]


DEFAULTS = Settings()

KINDS: dict[str, tuple[type, ...]] = {
    "threshold": (float, int),
    "patience": (int,),
    "window": (int, type(None)),
    "warmup": (int,),
    "observe": (bool,),
    "smma_window": (int,),
    "vocab_size": (int, type(None)),
}
"""The types that the values of the settings have in a file."""


class LaterFormat(ValueError):
    """A later version of this package wrote the run folder, in a format that this one cannot read."""


def _said(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def lexicon_label(lexicon: Lexicon | None) -> str:
    """Return a label that identifies a word list: its name, and how many words it holds."""
    usual = Lexicon.load()
    if lexicon is None or lexicon is usual:
        words = usual.lines.count("\n")  # one a line, all different
        return f"{usual.name}, {words} words"
    label = f"{lexicon.name}, {len(lexicon.words)} words"
    if lexicon.words == usual.words:
        return label
    return f"{label} {_checksum(chr(10).join(sorted(lexicon.words)))}"


def profile_label(profile: Profile | None) -> str:
    """Return a label that identifies a profile: its name, and a checksum of its content."""
    profile = profile or Profile.load()
    return f"{profile.name} {_checksum(json.dumps(profile.to_json()))}"


def _checksum(text: str) -> str:
    # Loaded here, because it loads OpenSSL: an eighth of the instructions of the imports of a training loop.
    return str(import_module("hashlib").sha256(text.encode()).hexdigest()[:8])


class Entry(NamedTuple):
    """The settings of a run from some time on.

    Attributes:
        time: time of day, in seconds since the epoch.
        step: the last step before; None before any.
        settings: the settings from then on.
    """

    time: float
    step: int | None
    settings: Settings


History = tuple[Entry, ...]
"""The settings of a run from its beginning: an entry for the first ones, and one for each change."""


def to_json(history: Sequence[Entry]) -> dict[str, Any]:
    """Return the content of `settings.json`; what does not come with the package is in there by value.

    >>> history = from_json(to_json([Entry(1.0, None, Settings(warmup=2000))]))
    >>> history[0].settings.warmup
    2000
    """
    lexicons = [entry.settings.lexicon for entry in history if entry.settings.lexicon]
    profiles = [entry.settings.profile for entry in history if entry.settings.profile]
    return {
        "format": FORMAT,
        "history": [{"time": entry.time, "step": entry.step, **entry.settings.named()} for entry in history],
        "lexicons": {
            lexicon_label(each): {"name": each.name, "words": sorted(each.words)}
            for each in lexicons
            if lexicon_label(each) != lexicon_label(None)
        },
        "profiles": {
            profile_label(each): each.to_json()
            for each in profiles
            if profile_label(each) != profile_label(None)
        },
    }


def from_json(values: Mapping[str, Any]) -> History:
    """Return the settings in a run folder, in the order of their times.

    Raises:
        ValueError: they are of another format, or not complete.
    """
    try:
        if type(values["format"]) is int and values["format"] > FORMAT:
            later = f"format {values['format']}; this version reads format {FORMAT}"
            raise LaterFormat(f"{later}: a later version wrote this run folder")
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']!r}; this version reads format {FORMAT}")
        lexicons = {
            label: Lexicon(each["words"], str(each["name"])) for label, each in values["lexicons"].items()
        }
        profiles = {label: Profile.parse(each) for label, each in values["profiles"].items()}
        history = tuple(_entry(dict(row), lexicons, profiles) for row in values["history"])
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"incomplete settings: {error!r}") from error
    if not history:
        raise ValueError("settings without any entry")
    return history


def _entry(row: dict[str, Any], lexicons: Mapping[str, Lexicon], profiles: Mapping[str, Profile]) -> Entry:
    time, step = float(row.pop("time")), row.pop("step")
    settings = Settings(**row)._replace(
        lexicon=lexicons.get(row["lexicon"]), profile=profiles.get(row["profile"])
    )
    for name, kinds in KINDS.items():
        if type(value := getattr(settings, name)) not in kinds:
            raise ValueError(f"{name} {value!r}; expected {' or '.join(kind.__name__ for kind in kinds)}")
    return Entry(time, None if step is None else int(step), settings)


def unknown(values: Mapping[str, Any]) -> list[str]:
    """Return what the last settings of a folder name but neither the folder nor this version contains.

    A later version may ship other words, or another reference.
    """
    last = values["history"][-1]
    known = (
        ("lexicon", {lexicon_label(None), *values["lexicons"]}),
        ("profile", {profile_label(None), *values["profiles"]}),
    )
    return [f"{name} {last[name]}" for name, labels in known if last[name] not in labels]


def in_words(given: Iterable[str], settings: Settings) -> str:
    """Return some settings by their names, for a sentence.

    >>> in_words(["threshold", "patience"], Settings())
    'threshold 30, patience 5'
    """
    values = settings.named()
    return ", ".join(f"{name.replace('_', ' ')} {_said(values[name])}" for name in given)
