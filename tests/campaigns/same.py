"""The same dump audited by every Python that is given, with each scorer: are the reports the same bytes?

    python tests/campaigns/same.py python3.11 python3.12 python3.13

A virtual environment each, with the package and its core, under the folder for temporary files;
installing needs an index or a folder of wheels. The dump is the fixture runs and samples of letters from
every script. Run it with the oldest of the Pythons, which knows the fewest letters.
"""

import argparse
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from unicodedata import category

ROOT = Path(__file__).parents[2]
WITHOUT_CORE = "import sys; sys.modules['coherence.scoring._core'] = None; "
CODE = "{before}from coherence.cli.main import main; raise SystemExit(main({arguments!r}))"
WAYS = {
    "plain": (WITHOUT_CORE, []),
    "core": ("", []),
    "plain, two workers": (WITHOUT_CORE, ["--workers", "2"]),
    "core, two workers": ("", ["--workers", "2"]),
}

UNKNOWN = ("Cn", "Cs", "Co")
"""Categories of what is not a character: unassigned, half of a pair, private."""


def main() -> None:
    """Print a line for each Python and way; exit with 1 if any report differs."""
    parser = argparse.ArgumentParser(description="Compare the reports of several Pythons.")
    parser.add_argument("pythons", nargs="*", default=[sys.executable])
    pythons = parser.parse_args().pythons
    found = set()
    with TemporaryDirectory() as folder:
        dump = Path(folder, "scripts.jsonl")
        dump.write_text("".join(f"{json.dumps(row)}\n" for row in of_every_script()), "utf-8")
        for number, python in enumerate(pythons):
            own = environment(python, Path(folder, str(number)))
            for way, (before, options) in WAYS.items():
                digest = audited(own, dump, before, options)
                found.add(digest)
                print(f"{python} {way:<24}{digest}")
    print("the same everywhere" if len(found) == 1 else f"{len(found)} different reports")
    sys.exit(len(found) != 1)


def of_every_script() -> list[dict[str, object]]:
    """Return samples that hold every letter, mark and sign once, 40 of them a word.

    Only those that this Python knows: what a later Unicode added is a letter to newer ones alone.
    """
    characters = [each for each in map(chr, range(32, sys.maxunicode + 1)) if category(each) not in UNKNOWN]
    words = ["".join(characters[at : at + 40]) for at in range(0, len(characters), 40)]
    return [{"step": at, "text": " ".join(words[at : at + 50])} for at in range(0, len(words), 50)]


def environment(python: str, folder: Path) -> Path:
    """Return the interpreter of a fresh environment that holds the package."""
    subprocess.run([python, "-m", "venv", folder], check=True)  # noqa: S603 - it was given
    own = folder / "bin/python"
    install = [str(own), "-m", "pip", "install", "-q", f"{ROOT}"]
    subprocess.run(install, check=True)  # noqa: S603 - our own
    return own


def audited(python: Path, dump: Path, before: str, options: list[str]) -> str:
    """Return the digest of what audits of the fixture runs and of the dump report."""
    digest = sha256()
    for number, path in enumerate((ROOT / "fixtures/runs", dump)):
        report = dump.parent / f"report{number}.json"
        arguments = ["audit", str(path), *options, "--json", str(report)]
        code = CODE.format(before=before, arguments=arguments)
        command = [str(python), "-c", code]
        subprocess.run(command, capture_output=True, check=False, cwd=dump.parent)  # noqa: S603 - our own
        digest.update(report.read_bytes())
        report.unlink()
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    main()
