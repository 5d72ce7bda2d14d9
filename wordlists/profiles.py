"""Measure the profiles that come with the package, but English, from public sources.

    git clone https://github.com/lodash/lodash FOLDER/lodash      # and so on: every repository of SOURCES
    python wordlists/profiles.py FOLDER

`SOURCES` says for each profile which files of which repository it is measured on, and under which licence
they are. Every source weighs the same. Only figures are kept: curves, shares, sizes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from coherence.cli.calibrate import one_line_a_key
from coherence.scoring.calibration import calibrate

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_OUTPUT = Path(__file__).resolve().parent.parent / "coherence" / "scoring" / "profiles"

MOST = 2_000_000
"""Characters that are taken of a source, the same share of every file."""


class Source(NamedTuple):
    """Files of one repository.

    Attributes:
        kind: what they hold.
        repository: owner and name on GitHub.
        commit: as it was when the profile was measured.
        patterns: which files, as `Path.glob` takes them.
        licence: of the files, as an SPDX identifier.
    """

    kind: str
    repository: str
    commit: str
    patterns: tuple[str, ...]
    licence: str


SOURCES: dict[str, tuple[Source, ...]] = {
    "code": (
        Source("Python", "python/cpython", "v3.11.7", ("Lib/*.py",), "PSF-2.0"),
        Source("JavaScript", "lodash/lodash", "9429a4ee03", ("lodash.js", "fp/*.js", "lib/**/*.js"), "MIT"),
        Source("Java", "apache/commons-lang", "d15939ef46", ("src/main/**/*.java",), "Apache-2.0"),
        Source("Go", "gin-gonic/gin", "dcaa4296d1", ("**/*.go",), "MIT"),
        Source("Rust", "BurntSushi/ripgrep", "3fce3b5bb0", ("crates/**/*.rs",), "MIT"),
        Source("C", "madler/zlib", "d201f04c72", ("*.c", "*.h", "contrib/**/*.c"), "Zlib"),
    ),
    "data": (
        Source("JSON", "openfootball/football.json", "25cfaf1029", ("2*/*.json",), "CC0-1.0"),
        Source(
            "JSON schemas",
            "SchemaStore/schemastore",
            "3b6446ad8a",
            ("src/schemas/json/[a-f]*.json",),
            "Apache-2.0",
        ),
        Source("CSV", "datasets/country-codes", "caa72d1e0e", ("data/*.csv",), "PDDL-1.0"),
        Source("CSV of numbers", "datasets/gdp", "822019c801", ("data/gdp.csv",), "PDDL-1.0"),
        Source(
            "SQL",
            "lerocha/chinook-database",
            "7f67772503",
            ("ChinookDatabase/DataSources/Chinook_Sqlite.sql",),
            "MIT",
        ),
        Source("XML", "apache/ant", "db67f07fa6", ("**/*.xml",), "Apache-2.0"),
        Source("SVG", "twbs/icons", "0e6f42e673", ("icons/*.svg",), "MIT"),
        Source("HTML", "mdn/learning-area", "ca1ff0bd06", ("**/*.html",), "CC0-1.0"),
    ),
    "logs": (
        Source(
            "a web server",
            "elastic/examples",
            "6d86454ebb",
            ("Common Data Formats/apache_logs/apache_logs",),
            "Apache-2.0",
        ),
        Source(
            "a message broker",
            "elastic/examples",
            "6d86454ebb",
            ("Miscellaneous/kafka_monitoring/**/*.log*",),
            "Apache-2.0",
        ),
        Source(
            "many programs",
            "tstack/lnav",
            "bb0005f96c",
            ("test/logfile_*.[0-9]", "test/log-samples/*.txt"),
            "BSD-2-Clause",
        ),
        Source("services and attacks", "crowdsecurity/hub", "b03cb59b21", (".tests/**/*.log",), "MIT"),
        Source(
            "network traffic", "zeek/zeek", "a13de64fbb", ("testing/btest/Baseline/**/*.log",), "BSD-3-Clause"
        ),
    ),
}
"""What each profile is measured on."""


def read(folder: Path, source: Source) -> str:
    """Return the text of a source, the same share of every file where there is too much.

    Raises:
        ValueError: the repository is not in the folder, or holds no such file.
    """
    top = folder / source.repository.partition("/")[2]
    paths = sorted({path for pattern in source.patterns for path in top.glob(pattern) if path.is_file()})
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in paths]
    if not texts:
        raise ValueError(f"{top}: nothing there that fits {', '.join(source.patterns)}")
    share = min(1.0, MOST / sum(map(len, texts)))
    return "\n\n".join(text[: round(share * len(text))] for text in texts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every profile, or those named, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the repositories are")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which profiles ({', '.join(SOURCES)})")
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, metavar="FOLDER")
    options = parser.parse_args(arguments)
    for name in options.names or SOURCES:
        sources = SOURCES[name]
        texts = {
            f"{each.kind} ({each.repository}, {each.licence})": read(options.folder, each) for each in sources
        }
        profile = calibrate(texts, name)
        path = options.output / f"{name}.json"
        path.write_text(one_line_a_key(profile.to_json()) + "\n", encoding="utf-8")
        print(f"{path}: {profile.tokens:,} tokens of {len(texts)} sources")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
