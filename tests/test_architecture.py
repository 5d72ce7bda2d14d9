"""The plan of the house: which package may import which, how large each is, and what its face promises."""

import ast
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest
from places import ROOT

import coherence

PACKAGE = Path(coherence.__file__).parent

MAY_IMPORT = {
    "lazy": "",
    "escape": "",
    "files": "",
    "scoring": "lazy",
    "signals": "lazy scoring",
    "readers": "lazy escape scoring signals",
    "report": "scoring signals readers",
    "thinning": "",
    "run": "lazy escape files scoring signals readers report",
    "audit": "lazy escape files scoring signals readers report thinning",
    "check": "lazy files scoring signals readers report",
    "watch": "escape files scoring signals readers report run",
    "show": "lazy escape files scoring signals readers report thinning audit check",
    "pytest_plugin": "scoring signals readers check show",
    "trainers": "lazy files scoring signals run",
    "cli": "lazy escape scoring signals readers report run audit check watch show",
    "": "lazy scoring signals run",
}
"""What each package may import of the others, in the order of the data; nobody imports the last four."""

LONGEST_FUNCTION, MOST_MODULES, MOST_FOLDERS, MOST_FILES = 40, 16, 10, 8
HEAVY = {
    *("nltk", "numpy", "numpy.ma", "pyarrow", "pydantic", "pydantic_core", "regex", "rich"),
    *("torch", "dataclasses", "hashlib", "multiprocessing", "tempfile"),
}
"""What takes long to load; the last of them are Python's own."""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


TREES = {
    module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))
}
FACES = [name for name in TREES if (PACKAGE / name.replace(".", "/")).is_dir()]


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


def room(module: str) -> str:
    return module.split(".")[0]


@pytest.mark.parametrize("module", TREES)
def test_a_package_imports_what_the_table_says(module: str) -> None:
    others = {room(other) for other in imported_modules(module)} - {room(module)}
    assert others <= set(MAY_IMPORT[room(module)].split())


def test_the_table_has_no_circle_and_no_room_too_many() -> None:
    list(TopologicalSorter({name: others.split() for name, others in MAY_IMPORT.items()}).static_order())
    assert set(MAY_IMPORT) == {room(module) for module in TREES}


@pytest.mark.slow
def test_modules_import_each_other_in_no_circle() -> None:
    # What a face names, it loads when it is asked for.
    graph = {module: imported_modules(module) for module in TREES if module not in FACES}
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", TREES)
def test_what_is_private_is_imported_by_nobody_else(module: str) -> None:
    own = [name for name in imported(TREES[module]) if name.startswith("coherence.")]
    assert not [name for name in own if name.rpartition(".")[2].startswith("_") and not name.endswith("__")]


@pytest.mark.parametrize("face", FACES)
def test_a_folder_holds_few_modules(face: str) -> None:
    folder = PACKAGE / face.replace(".", "/")
    assert len(list(folder.glob("*.py"))) <= MOST_MODULES


def test_the_top_holds_few_folders_and_files() -> None:
    others = ("__pycache__", "wordlists", "fixtures")  # the last two are in a wheel
    there = [path for path in PACKAGE.iterdir() if path.name not in others]
    assert sum(path.is_dir() for path in there) <= MOST_FOLDERS
    assert sum(path.is_file() for path in there) <= MOST_FILES


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


def test_the_page_about_the_house_names_what_is_there() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    for name in re.findall(r"`(\w+/[\w/]+\.\w+|\w+/)`", page):
        assert any((top / name).exists() for top in (ROOT, ROOT / "coherence", PACKAGE)), name
    for file, name in re.findall(r"`([\w/]+\.py)`, `([\w.]+)`", page):
        code = (PACKAGE / file).read_text(encoding="utf-8") if (PACKAGE / file).exists() else ""
        assert all(part in code for part in name.split(".") if "/" in file), (file, name)


# The faces


@pytest.mark.parametrize("face", [face for face in FACES if "lazy" in imported_modules(face)])
def test_a_face_names_what_type_checkers_see_and_no_module(face: str) -> None:
    package = import_module(f"coherence.{face}".rstrip("."))
    seen = {name.rpartition(".")[2] for name in imported(TREES[face])} - {"TYPE_CHECKING", "face"}
    assert set(package.__all__) == seen
    assert all(getattr(package, name) is not None for name in package.__all__)
    assert set(package.__all__) <= set(dir(package))
    modules = {path.stem for path in (PACKAGE / face.replace(".", "/")).glob("*")}
    assert not modules.intersection(package.__all__), "a module would take the place of the name"


def test_a_name_that_no_face_has_is_missed_by_its_name() -> None:
    with pytest.raises(AttributeError, match="module 'coherence' has no attribute 'scores'"):
        coherence.scores  # noqa: B018 - it is the look that raises


SHOWN_BY_ITS_MAKER = {"Verdict", "HaltedRun"}  # in the examples of Gate and Monitor


@pytest.mark.parametrize("name", sorted(set(coherence.__all__) - SHOWN_BY_ITS_MAKER - {"__version__"}))
def test_everything_on_the_surface_shows_an_example(name: str) -> None:
    shown = getattr(coherence, name)
    own = [shown, *vars(shown).values()] if inspect.isclass(shown) else [shown]
    assert inspect.getdoc(shown)
    assert any(">>>" in (inspect.getdoc(getattr(part, "__func__", part)) or "") for part in own)


# What is loaded


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a statement."""
    asked = f"import sys; {statement}\nprint(*sys.modules, sep='\\n')"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    return set(answer.stdout.split())


MOST_OF_THE_FACE = 75
"""Modules that the two names a loop imports may load, above those of bare Python."""


@pytest.mark.parametrize("used", ["", "score('Budy Budy Budy Budy'); Gate().update(score('é' * 99), 1)"])
def test_score_and_gate_load_nothing_heavy(used: str) -> None:
    loaded = loaded_by(f"from coherence import score, Gate; {used}")
    assert "coherence" in loaded
    assert not loaded.intersection(HEAVY)
    assert len(loaded - loaded_by("pass")) <= MOST_OF_THE_FACE


@pytest.mark.parametrize("names", ["Scores, score", "Gate, Verdict, LossTracker, diagnose, Lexicon, Profile"])
def test_a_name_of_the_face_loads_its_own_rooms_alone(names: str) -> None:
    loaded = {module for module in loaded_by(f"from coherence import {names}") if "coherence." in module}
    allowed = {"lazy", "scoring"} if "score" in names else {"lazy", "scoring", "signals"}
    assert {room(module.removeprefix("coherence.")) for module in loaded} == allowed


BEFORE_THE_OTHERS = "check dump.jsonl --snapshot snapshot.json --update"
LAID_OUT = {"dataclasses", "hashlib", "numpy", "rich"}

PAID = {
    "score Budy": (set[str](), 95),
    "score Budy --json scores.json": ({"tempfile"}, 108),
    "audit dump.jsonl": ({"tempfile", *LAID_OUT}, 400),
    "audit dump.jsonl --json report.json": ({"pydantic_core", "tempfile", *LAID_OUT}, 410),
    "audit dump.jsonl --workers 2": ({"multiprocessing", "tempfile", *LAID_OUT}, 430),
    "check dump.jsonl --snapshot snapshot.json": ({"tempfile", *LAID_OUT}, 410),
}
"""What each command loads of what is heavy, and how many modules at most, above those of bare Python."""


@pytest.mark.slow
@pytest.mark.parametrize("command", PAID)
def test_a_command_pays_for_these_modules_and_no_others(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"step": place, "text": f"Sample {place} of a run that goes on."} for place in range(30)]
    Path("dump.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    run = "from coherence.cli.main import main; main({!r})"
    loaded_by(run.format(BEFORE_THE_OTHERS.split()))
    heavy, most = PAID[command]
    loaded = loaded_by(run.format(command.split())) - loaded_by("pass")
    assert loaded.intersection(HEAVY) == heavy
    assert len(loaded) <= most


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("main", set()),
        ("score", set()),
        ("serve", {"tempfile", *LAID_OUT}),
        ("calibrate", {"nltk", "regex", "tempfile", *LAID_OUT}),
    ],
)
def test_a_command_loads_its_own_module_of_the_commands_alone(module: str, heavy: set[str]) -> None:
    loaded = loaded_by(f"import coherence.cli.{module}")
    assert loaded.intersection(HEAVY) == heavy
    commands = {f"coherence.cli.{path.stem}" for path in (PACKAGE / "cli").glob("[a-z]*.py")}
    assert loaded.intersection(commands) == {f"coherence.cli.{module}"}


def test_to_score_a_text_nothing_is_loaded_that_reads_files_or_makes_reports() -> None:
    loaded = loaded_by("import coherence.cli.score")
    rooms = ("audit", "check", "readers", "report", "show.page.page", "show.terminal")
    assert not loaded.intersection(f"coherence.{each}" for each in rooms)
