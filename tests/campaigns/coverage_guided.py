"""Bytes made up by a fuzzer, led by the code of the package that they reach: what readers and scores do then.

    pip install atheris                                      # there are wheels for Linux
    python tests/campaigns/coverage_guided.py files --seconds 900
    python tests/campaigns/coverage_guided.py texts --seconds 900

`files` takes the first byte for the format and the rest for the file, and scores its first samples; `texts`
scores the bytes as text. What breaks a promise ends the program with a traceback and leaves its bytes in the
folder where it was started: `--again FILE` runs them alone.
"""

import argparse
import json
import math
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests/support"))
from fuzzer import atheris, fuzz, require  # noqa: E402 - the path is given above

with atheris.instrument_imports(include=["coherence"]):
    from hostile_texts import FRAGMENTS
    from whole_files import WHOLE, content

    from coherence import score
    from coherence.readers import recognise as formats
    from coherence.readers.lines import Part, Problems, read_head
    from coherence.readers.read import Piece, losses_in, samples_in
    from coherence.scoring.loop import find_loop
    from coherence.scoring.scores import score_tokens
    from coherence.scoring.text import JOINT, answer, clean, locate, tokenize
    from coherence.signals.steps import LARGEST_STEP

SCORED = 2
"""Samples of a file; to score more takes time and tells no more."""

BETWEEN = "\x1e"
"""What stands between a prompt and a text; a text without it has no prompt."""


def main() -> None:
    """Hand over to the fuzzer, which prints its figures and ends the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("target", choices=["files", "texts"])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", type=Path, help="one input that broke something")
    arguments = parser.parse_args()
    target, seeds = {"files": (read_file, seed_files), "texts": (read_text, seed_texts)}[arguments.target]
    if arguments.again:
        target(arguments.again.read_bytes())
        return
    words = (fragment.encode(errors="surrogatepass") for fragment in FRAGMENTS)
    fuzz(target, seeds(), words, arguments.seconds, arguments.seed)


# --- Files ------------------------------------------------------------------------------------------------


def seed_files() -> Iterator[bytes]:
    """Yield a whole file of each format that can be written here."""
    kinds = [each.key for each in formats.formats()]
    for kind in WHOLE:
        with suppress(ImportError):
            yield bytes([kinds.index(kind.partition(".")[0])]) + content(kind)


def read_file(data: bytes) -> None:
    """Recognise a file of these bytes, and read it as of the format that its first byte tells."""
    if not data:
        return
    kind = list(formats.FORMATS)[data[0] % len(formats.FORMATS)]
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        path = str(Path(folder) / WHOLE[kind][0])
        Path(path).write_bytes(data[1:])
        problems = Problems()
        for head in taken(map(read_head, [path]), path):
            for each in formats.formats():
                each.recognise(head)
        for number, sample in enumerate(taken(samples_in(Piece(Part(path), kind), problems), path)):
            check_place(sample.step, sample.line)
            (sample.text + (sample.prompt or "") + (sample.source or "")).encode()
            if number < SCORED:
                scored(sample.text, sample.prompt)
        for row in taken(losses_in(Piece(Part(path), kind), problems), path):
            check_place(row.step, row.line)
            require(isinstance(row.loss, float), row)
        json.dumps([problem._asdict() for problem in problems.listed], ensure_ascii=False).encode()


def taken(found: Iterable[Any], path: str) -> Iterator[Any]:
    """Yield what a reader gives out; an error that comes out of it is its own, and names the file."""
    try:
        yield from found
    except (ValueError, OSError) as error:
        own = isinstance(error, OSError) or type(error) is ValueError
        require(own and path in str(error), f"{type(error)} {error}")


def memory() -> str | None:
    """Return a folder that is no disk, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - the folder in it is our own


def check_place(step: int | None, line: int) -> None:
    """Require that a step and a line can be those of a row."""
    require(step is None or (isinstance(step, int) and abs(step) <= LARGEST_STEP), step)
    require(isinstance(line, int) and line >= 1, line)


# --- Texts ------------------------------------------------------------------------------------------------


def seed_texts() -> Iterator[bytes]:
    """Yield what the patterns look for, and ordinary text."""
    yield from (fragment.encode(errors="surrogatepass") for fragment in FRAGMENTS)
    yield b"Once upon a time\x1eOnce upon a time there was a cat. The cat was well-kept, the cat's."
    yield ("> who?\n< " + "budy " * 30).encode()


def read_text(data: bytes) -> None:
    """Score these bytes as text, what is no UTF-8 as half pairs, and require what is promised of scores."""
    prompt, between, text = data.decode("utf-8", "surrogateescape").rpartition(BETWEEN)
    scored(text, prompt if between else None)


def scored(text: str, prompt: str | None) -> None:
    """Require what holds of every text."""
    scores, cleaned = score(text, prompt), clean(text, prompt)
    tokens = tokenize(cleaned)
    require(all(value is None or 0 <= value <= 100 for value in scores.values), scores)
    require(not any(math.isnan(value) for value in scores.values if value is not None), scores)
    require((scores.tokens, scores.characters) == (len(tokens), len(cleaned)), scores)
    require(score_tokens(cleaned, tokens) == scores, scores)
    require(tokenize(f"{cleaned} 東") == [*tokens, "東"], tokens)  # in whichever script it is looked at
    require(visible("".join(tokens)) == visible(cleaned), tokens)
    shown = answer(text, prompt)
    places = [start for start, _ in locate(shown)]
    require(places == sorted(places) and all(start < len(shown) for start in places), places)
    loop = find_loop(text, prompt)
    require(loop is None or (loop.times >= 3 and loop.start < len(shown) and 0 < loop.share <= 1), loop)


def visible(text: str) -> str:
    """Return what must come back in tokens: all but white space, and the joints at which runs are cut."""
    return "".join(re.sub(JOINT, "", text).split())


if __name__ == "__main__":
    main()
