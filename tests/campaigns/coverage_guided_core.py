"""Texts made up by a fuzzer, led by the C code that they reach: the core says what the plain scorer says.

    pip install atheris                                      # there are wheels for Linux
    python tests/campaigns/coverage_guided_core.py --seconds 3000 --kept reached
    python tests/campaigns/coverage_guided_core.py --seconds 600 --characters 70000
    python tests/campaigns/coverage_guided_core.py --lines --kept reached

`support/made_of_bytes.py` says which texts the bytes of an input mean. The core is compiled with clang, so
that it tells what of it is reached, and ends the program where it leaves its memory or does what C does not
define. So does an input for which the two scorers differ; it is left in the folder where the program was
started, and `--again FILE` runs it alone.

`--kept` keeps the inputs that reach something new, and begins with those in the folder. `--lines` runs them
all, and a few long texts, and lists the lines of C that none of them reaches. Long texts are counted in
another way: with `--characters 70000` there are some, of which a few are tried in a second.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tests/support"))
from cores import build_core, take_core
from places import ROOT

BUILT = "COHERENCE_FUZZED_CORE"
"""Where a program finds the core that it is to take, once that is compiled."""

SANITIZERS = "address,undefined,fuzzer-no-link"


def main() -> None:
    """Compile the core and start again with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--characters", type=int, default=2_000, help="of the texts of an input, at most")
    parser.add_argument("--again", type=Path, help="one input that broke something")
    parser.add_argument("--kept", type=Path, help="a folder of inputs")
    parser.add_argument("--lines", action="store_true", help="list the lines that no input of --kept reaches")
    arguments = parser.parse_args()
    if core := os.environ.get(BUILT):
        take_core(Path(core))
        run(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        sys.exit((list_lines if arguments.lines else guard)(Path(folder)))


def guard(folder: Path) -> int:
    """Run this program again with a core that is watched."""
    os.environ.setdefault("CC", "clang")
    core = build_core(folder, "-g", "-O1", f"-fsanitize={SANITIZERS}", "-fno-sanitize-recover=all")
    atheris = importlib.import_module("atheris")
    watched = {
        "LD_PRELOAD": str(Path(atheris.path(), "asan_with_fuzzer.so")),
        "ASAN_OPTIONS": "detect_leaks=0",  # of Python there are many
    }
    return start_again(core, watched)


def list_lines(folder: Path) -> int:
    """Run the inputs with a core that counts its lines, and list those that were never run."""
    os.environ["CC"] = "gcc"
    if start_again(build_core(folder, "-O0", "--coverage", "-dumpdir", f"{folder}/"), {}):
        return 1
    command = ["gcov", "--stdout", "--json-format", *map(str, folder.glob("*.gcda"))]
    counted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    times: Counter[tuple[Path, int]] = Counter()  # of a header the lines are in several files
    for file in (file for line in counted.splitlines() for file in json.loads(line)["files"]):
        if (path := Path(file["file"])).is_relative_to(ROOT):
            times.update({(path, line["line_number"]): line["count"] for line in file["lines"]})
    never = sorted(place for place, number in times.items() if not number)
    for path, line in never:
        print(f"{path.relative_to(ROOT)}:{line}: {path.read_text('utf-8').splitlines()[line - 1].strip()}")
    print(f"{len(never)} of {len(times)} lines are never run")
    return 0


def start_again(core: Path, environment: dict[str, str]) -> int:
    command = [sys.executable, *sys.argv]
    environment = os.environ | environment | {BUILT: str(core)}
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - it is this program


def run(arguments: argparse.Namespace) -> None:
    """Fuzz, or run the inputs that there are."""
    made = importlib.import_module("made_of_bytes")  # it takes the core that is there by now

    def compare(data: bytes, characters: int = arguments.characters) -> None:
        if differences := made.differences(made.asked(data, characters)):
            raise RuntimeError("; ".join(differences))

    if arguments.again:
        compare(arguments.again.read_bytes())
    elif arguments.lines:
        for path in sorted(arguments.kept.iterdir()):
            compare(path.read_bytes())
        for data in made.LONG_RECIPES:
            compare(data, made.MANY)
    else:
        recipes = made.RECIPES + made.LONG_RECIPES
        words = [each[len(made.recipe()) :] for each in recipes]
        fuzz = importlib.import_module("fuzzer").fuzz
        fuzz(compare, recipes, words, arguments.seconds, arguments.seed, arguments.kept)


if __name__ == "__main__":
    main()
