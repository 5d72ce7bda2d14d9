"""Install every dependency at the lowest version that pyproject.toml allows and at the newest; run the tests.

    python tests/campaigns/supply.py                      # the core, then each extra, lowest and newest
    python tests/campaigns/supply.py --sets core fast --bound lowest

Each set gets an environment of its own, from wheels alone, and a copy of the last commit, so that what is
being edited does not disturb it. The core runs the whole test command; an extra runs the tests that need it.
Ends with 1 if a set could not be installed or a test failed. It needs a package index, so it is run by hand.
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
NAME, BOUND = re.compile(r"[\w.-]+"), re.compile(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)")

NEEDED_BY = {
    "core": [],
    "parquet": [
        "tests/readers/formats/test_parquet.py",
        "tests/readers/test_recognise.py",
        "tests/audit/test_runners.py",
    ],
    "tensorboard": ["tests/readers/formats/test_tensorboard.py"],
    "zstd": [
        "tests/readers/test_find.py",
        "tests/readers/test_storage.py",
        "tests/readers/formats/test_jsonl.py",
    ],
    "remote": ["tests/readers/test_storage.py", "tests/audit/test_runners.py"],
    "fast": ["tests/readers/formats/test_jsonl.py", "tests/audit/test_runners.py"],
    "ray": ["tests/audit/test_ray.py"],
    "torch": [
        "tests/trainers/test_torch_loop.py",
        "tests/trainers/test_sampler.py",
        "tests/signals/test_logits.py",
    ],
    "huggingface": ["tests/trainers/test_huggingface.py", "tests/trainers/test_logged_state.py"],
    "lightning": ["tests/trainers/test_lightning.py", "tests/trainers/test_logged_csv.py"],
    "keras": ["tests/trainers/test_keras.py"],
}
"""Each set that is installed, and the tests that need it; none means the whole test command."""


class Outcome(NamedTuple):
    """What came of one set at one bound."""

    name: str
    bound: str
    result: str
    versions: str
    seconds: float


def requirements(name: str) -> list[str]:
    """Return what a set and the tests ask for, as pyproject.toml says it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras["test"], *extras.get(name, [])]


def lowest(name: str) -> list[str]:
    """Return the constraints that hold each direct dependency of a set at its lower bound."""
    return [f"{found[1]}=={found[2]}" for each in requirements(name) if (found := BOUND.match(each))]


def told(command: list[str], folder: Path) -> tuple[bool, str]:
    """Run a command; return whether it went well, and which tests failed, or the last of what it said."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == 0, "\n".join(
        [*failed, *done.stdout.splitlines()[-1:]] if failed else lines[-25:]
    )


def copy_of_head(to: Path) -> None:
    """Clone the last commit, without what is being edited."""
    command = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(to)]
    subprocess.run(command, check=True)  # noqa: S603 - our own


def try_set(name: str, bound: str, folder: Path) -> Outcome:
    """Install one set at one bound, and run its tests."""
    start = perf_counter()
    where, checkout = folder / f"{name}-{bound}", folder / f"checkout-{name}-{bound}"
    venv.create(where, with_pip=True)
    copy_of_head(checkout)
    constraints = folder / f"{name}-{bound}.txt"
    constraints.write_text("\n".join(lowest(name) if bound == "lowest" else []), encoding="utf-8")
    extras = "test" if name == "core" else f"test,{name}"
    python = str(where / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-c", str(constraints)]
    well, said = told([*install, "-e", f".[{extras}]"], checkout)
    if not well:
        return Outcome(name, bound, f"cannot be installed\n{said}", "", perf_counter() - start)
    well, said = told([python, "-m", "pytest", "-q", "-m", "", *NEEDED_BY[name]], checkout)
    summary = said.splitlines()[-1].strip("= ") if well else f"tests fail\n{said}"
    return Outcome(name, bound, summary, versions(python, name), perf_counter() - start)


def versions(python: str, name: str) -> str:
    """Return the versions of the direct dependencies of a set, as they were installed."""
    own = requirements(name) if name == "core" else requirements(name)[len(requirements("core")) :]
    names = {found[0].lower() for each in own if (found := NAME.match(each))}
    listed = subprocess.run(  # noqa: S603 - our own
        [python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    return ", ".join(line for line in listed.stdout.split() if line.split("==")[0].lower() in names)


def main() -> int:
    """Try the sets, print a line of each, and return 1 if one of them failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=NEEDED_BY, default=list(NEEDED_BY))
    parser.add_argument("--bound", choices=("lowest", "newest", "both"), default="both")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell has it ignored
    bounds = ("lowest", "newest") if options.bound == "both" else (options.bound,)
    failed = 0
    for name in options.sets:
        for bound in bounds:
            with tempfile.TemporaryDirectory(prefix="supply-") as folder:
                found = try_set(name, bound, Path(folder))
            failed += "\n" in found.result
            print(
                f"{name:12} {bound:7} {found.seconds:5.0f} s  {found.versions}\n    {found.result}",
                flush=True,
            )
    print(
        f"{len(options.sets) * len(bounds)} environments on Python {sys.version.split()[0]}, {failed} failed"
    )
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
