"""The marks of Keras's text generation callback, and of the thousands of scripts derived from it.

After each epoch it prints a text for each of several temperatures ("diversities"), all with the same seed:
`----- Generating text after Epoch: 0`, `----- diversity: 0.2`, `----- Generating with seed: "..."`. Source:
docs/formats.md, "Training logs".
"""

import re
from typing import Literal, NamedTuple

SEED_LINES = 40
"""Lines of a seed that is an excerpt of a text; no script uses longer ones."""

# `--temperature` is an option, and `- temperature:` an entry of a configuration.
_BULLETS = r"(?:[-=.#*>~]{3,80} ?|[-=.#*>~]{2} {1,3})"
_ANY = r"(?:[-=.#*>~]{1,80} {0,3})?"
_MARK = re.compile(
    rf"{_ANY}generating text (?:after|at|for|in) (?:epoch|iteration|iter|step)[ :#=]{{0,3}}"
    r"(?P<epoch>\d{1,15})[-=.#*: ]{0,80}"
    rf"|{_BULLETS}(?P<diversity>(?:diversity|temperature)[ :=]{{0,3}}\d{{1,3}}(?:\.\d{{0,9}})?)"
    r"[-=.#*: ]{0,80}"
    rf"|{_ANY}generating with (?:the )?seed[ :=]{{0,3}}(?P<seed>.*)"
    rf"|{_BULLETS}generated(?: text)?:[ ]{{0,2}}(?P<text>.*)",
    re.IGNORECASE | re.DOTALL,
)
_GLUED = re.compile(r"[-=.#*]{2,80} ?generating text (?:after|at|for) .*|generated text: *$", re.IGNORECASE)
_EPOCH = re.compile(r"[-=#* ]{0,80}(?:epoch|iteration)[ :#=]{0,3}(\d{1,15})[-=#*: ]{0,80}", re.IGNORECASE)


class Mark(NamedTuple):
    """The content of a line of the callback: the number of the epoch, the seed, or the text after a label."""

    kind: Literal["epoch", "diversity", "seed", "text"]
    value: str


def mark_of(bare: str) -> Mark | None:
    """Return the content of a line of the callback; None for any other line.

    >>> mark_of("----- Generating text after Epoch: 0"), mark_of("...Diversity: 0.5")
    (Mark(kind='epoch', value='0'), Mark(kind='diversity', value='Diversity: 0.5'))
    >>> mark_of('----- Generating with seed: "the old stone "').value
    '"the old stone "'
    >>> mark_of("temperature: 0.5") is None
    True
    """
    match = _MARK.fullmatch(bare)
    if match is None:
        return None
    kinds: tuple[Literal["epoch", "diversity", "seed", "text"], ...] = ("epoch", "diversity", "seed", "text")
    return next(Mark(kind, match[kind]) for kind in kinds if match[kind] is not None)


def unglued(line: str) -> str | None:
    """Return the mark that a callback wrote at the end of a progress bar, on the same line.

    >>> unglued("9/9 [====>] - ETA: 0s - loss: 2.4==== Generating Text after Epoch: 0 ====")
    '==== Generating Text after Epoch: 0 ===='
    >>> unglued("a generated text") is None
    True
    """
    if "enerat" not in line or not line[:1].isdecimal():
        return None
    match = _GLUED.search(line)
    return match[0] if match else None


def epoch_of(bare: str) -> int | None:
    """Return the epoch that a line names if it names nothing else; `Epoch 3/60` is read as Keras's own line.

    >>> epoch_of("Iteration 4"), epoch_of("Epoch 3/60"), epoch_of("epoch 5 ended")
    (4, None, None)
    """
    match = _EPOCH.fullmatch(bare)
    return None if match is None else int(match[1])


def split_seed(begun: list[str], lines: list[str]) -> tuple[list[str], list[str]]:
    r"""Return the seed without its quotes, and the lines of the text after it.

    Args:
        begun: the text on the line of the mark: one string, perhaps blank.
        lines: the following lines, including the rest of the seed if it has several.

    >>> split_seed(['"the old '], ['stone "', "the old ", "stone wall"])
    (['the old ', 'stone '], ['the old ', 'stone wall'])
    >>> split_seed([""], ["the old", "the old mill"])
    (['the old'], ['the old mill'])
    """
    lines = [*begun, *lines]
    while lines and not lines[0].strip():
        lines = lines[1:]
    if not lines:
        return [], []
    quote = lines[0].lstrip()[0]
    if quote not in "\"'":
        return lines[:1], lines[1:]
    ends = [n for n, line in enumerate(lines[:SEED_LINES], start=1) if line.rstrip().endswith(quote)]
    if len(lines[0].strip()) == 1:
        ends = [n for n in ends if n > 1]
    seeds = [(_unquoted(lines[:end]), lines[end:]) for end in ends]
    if not seeds:
        return [lines[0].lstrip()[1:]], lines[1:]
    # A seed may also hold quotes; the text that follows usually begins with the whole seed.
    repeated = [each for each in seeds if "\n".join(each[1]).lstrip("\n").startswith("\n".join(each[0]))]
    return (repeated or seeds)[0]


def _unquoted(lines: list[str]) -> list[str]:
    first, *rest = lines
    whole = [first.lstrip()[1:], *rest]
    return [*whole[:-1], whole[-1].rstrip()[:-1]]
