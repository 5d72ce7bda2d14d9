"""The floors of the package, held by reading its imports; and what its surface promises.

A new module fails here until it is placed on a floor.
"""

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import coherence

PACKAGE = Path(coherence.__file__).parent

FLOORS = (
    # text and numbers in, numbers out
    {
        "scoring.text",
        "scoring.lexicon",
        "scoring.ngrams",
        "signals.loss",
        "escape",
        "run.given",
        "signals.steps",
    },
    # values and decisions; the package itself shows nothing else
    {
        "",
        "scoring",
        "signals",
        "scoring.profile",
        "signals.settings",
        "scoring.scores",
        "scoring.calibration",
        "scoring.between",
        "scoring.loop",
    }
    | {"signals.gate", "signals.diagnosis", "signals.samples", "signals.checkpoint", "signals.both"},
    # what crosses the process boundary
    {
        "report",
        "signals.logits",
        "run.monitor",
        "run.recorder",
        "run.folder",
        "audit.restarts",
    }
    | {
        "scoring.ngrams_sorted",
        "scoring.reference",
        "scoring.corpora",
        "scoring.batch",
        "scoring.compiled",
        "scoring.compiled_loops",
        "audit.shard",
        "audit.store",
        "audit.order",
        "audit.timeline",
    }
    | {"audit.runners", "audit.ray"}
    | {
        "audit.losses",
        "audit.replay",
        "curve",
        "audit.summary",
        "audit.build",
        "audit.dump",
        "audit.table",
        "audit.conduct",
    }
    | {"check.statistics", "check.snapshot", "check.samples", "check.verdict"}
    | {"readers", "readers.formats", "run", "audit", "check", "readers.find", "readers.lines", "readers.rows"}
    | {
        "readers.formats.csv_rows",
        "readers.recognise",
        "readers.formats.json_array",
        "readers.formats.jsonl",
        "readers.formats.numbered",
    }
    | {"readers.prompts", "readers.storage"}
    | {"readers.formats.log_lines", "readers.formats.log_samples", "readers.formats.logs"}
    | {
        "readers.formats.parquet",
        "readers.formats.tensorboard",
        "readers.formats.trackio",
        "readers.formats.trainer_state",
    }
    | {"thinning", "show.page.marks", "show.page.gallery", "show.page.live_report", "show.page.follow"}
    | {"scoring.compiled", "scoring.compiled_loops"},
    # ways in and out
    {
        "cli",
        "cli.__main__",
        "show",
        "show.page",
        "cli.main",
        "cli.audit",
        "cli.calibrate",
        "cli.score",
        "show.progress",
        "show.console",
        "show.terminal",
        "show.terminal_score",
    }
    | {"show.page.page", "show.page.server", "cli.serve"}
    | {"cli.check", "show.ci", "pytest_plugin", "show.terminal_check"}
    | {"trainers", "trainers.common", "trainers.huggingface"}
    | {"trainers.keras", "trainers.lightning", "trainers.sampler", "trainers.torch_loop"},
)
FLOOR_OF = {module: floor for floor, modules in enumerate(FLOORS) for module in modules}

LONGEST_FUNCTION = 40
HEAVY = ("numpy", "nltk", "pydantic", "rich", "torch")


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


TREES = {
    module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))
}


def imported(tree: ast.Module) -> Iterator[str]:
    """Everything imported anywhere in a module, in functions too, as full names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import in line {node.lineno}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(module: str) -> set[str]:
    """The modules of this package that `module` imports; for a name, the module that holds it."""
    found = set()
    for name in imported(TREES[module]):
        if name.split(".")[0] == "coherence":
            inner = name.removeprefix("coherence").removeprefix(".")
            found.add(inner if inner in TREES else inner.rpartition(".")[0])
    return found


def test_every_module_has_its_floor() -> None:
    assert set(TREES) == set(FLOOR_OF)
    assert len(FLOOR_OF) == sum(map(len, FLOORS)), "a module stands on two floors"


@pytest.mark.parametrize("module", TREES)
def test_imports_point_down_or_sideways(module: str) -> None:
    above = {other for other in imported_modules(module) if FLOOR_OF[other] > FLOOR_OF[module]}
    assert not above


@pytest.mark.parametrize("module", TREES)
def test_what_is_private_is_imported_by_nobody_else(module: str) -> None:
    own = [name for name in imported(TREES[module]) if name.startswith("coherence.")]
    assert not [name for name in own if name.rpartition(".")[2].startswith("_")]


@pytest.mark.parametrize("module", [module for module in TREES if module.startswith("scoring")])
def test_scoring_needs_nothing_else_of_the_package(module: str) -> None:
    assert {other.split(".")[0] for other in imported_modules(module)} <= {"scoring"}


def test_imports_go_in_no_circle() -> None:
    assert list(TopologicalSorter({module: imported_modules(module) for module in TREES}).static_order())


@pytest.mark.parametrize("module", sorted(FLOORS[0] | FLOORS[1]))
def test_the_two_lowest_floors_need_regex_and_nothing_else(module: str) -> None:
    roots = {name.split(".")[0] for name in imported(TREES[module])}
    assert roots - sys.stdlib_module_names <= {"coherence", "regex"}


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Its lines from the signature to the end, less those of its docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or 0) - first.lineno + 1
    return lines


@pytest.mark.parametrize("module", TREES)
def test_no_function_is_longer_than_a_screen(module: str) -> None:
    long = {f.name: length_of(f) for f in functions(TREES[module]) if length_of(f) > LONGEST_FUNCTION}
    assert not long


def undocumented(node: ast.Module | ast.ClassDef | ast.FunctionDef, where: str) -> Iterator[str]:
    """The public names from here on that have no docstring; what is inside a function is not public."""
    if ast.get_docstring(node) is None:
        yield where
    if not isinstance(node, ast.FunctionDef):
        for inner in node.body:
            if isinstance(inner, ast.ClassDef | ast.FunctionDef) and not inner.name.startswith("_"):
                yield from undocumented(inner, f"{where}.{inner.name}")


@pytest.mark.parametrize("module", TREES)
def test_every_public_name_says_what_it_is(module: str) -> None:
    assert not list(undocumented(TREES[module], module))


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a statement."""
    asked = f"import sys; {statement}\nprint(*sys.modules, sep='\\n')"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    return set(answer.stdout.split())


@pytest.mark.parametrize("used", ["", "score('Budy Budy Budy Budy'); Gate().update(score('é' * 99), 1)"])
def test_score_and_gate_load_nothing_heavy(used: str) -> None:
    loaded = loaded_by(f"from coherence import score, Gate; {used}")
    assert "coherence" in loaded
    assert not loaded.intersection(HEAVY)


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("main", set()),
        ("audit", {"numpy", "pydantic", "rich"}),
        ("calibrate", {"pydantic", "rich"}),
        ("check", {"numpy", "pydantic", "rich"}),
        ("score", {"rich"}),
        ("serve", {"numpy", "pydantic", "rich"}),
    ],
)
def test_a_command_loads_what_it_needs_and_nothing_else_that_is_heavy(module: str, heavy: set[str]) -> None:
    loaded = loaded_by(f"import coherence.cli.{module}")
    assert loaded.intersection(HEAVY) == heavy
    commands = {f"coherence.cli.{path.stem}" for path in (PACKAGE / "cli").glob("[a-z]*.py")}
    assert loaded.intersection(commands) == {f"coherence.cli.{module}"}


def test_to_score_a_text_nothing_is_loaded_that_reads_files_or_makes_reports() -> None:
    loaded = loaded_by("import coherence.cli.score")
    rooms = ("audit", "check", "readers", "report", "show.page", "show.terminal")
    assert not loaded.intersection(f"coherence.{room}" for room in rooms)


def test_the_surface_is_sorted_and_there() -> None:
    assert coherence.__all__ == sorted(coherence.__all__)
    assert len(set(coherence.__all__)) == len(coherence.__all__)
    assert all(hasattr(coherence, name) for name in coherence.__all__)


SHOWN_BY_ITS_MAKER = {"Verdict"}  # in the example of Gate


@pytest.mark.parametrize("name", sorted(set(coherence.__all__) - SHOWN_BY_ITS_MAKER))
def test_everything_on_the_surface_shows_an_example(name: str) -> None:
    shown = getattr(coherence, name)
    own = [shown, *vars(shown).values()] if inspect.isclass(shown) else [shown]
    assert inspect.getdoc(shown)
    assert any(">>>" in (inspect.getdoc(getattr(part, "__func__", part)) or "") for part in own)
