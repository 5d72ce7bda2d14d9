"""Builds the core with other options, and loads it in place of the installed one."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from places import ROOT

NAME = "coherence.scoring._core"


def loaded(name: str, path: Path) -> ModuleType:
    """Load a module from a file under this name."""
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build_core(folder: Path, *options: str) -> Path:
    """Compile the core into a folder, with these options added to the usual ones; return the file."""
    path = folder / "_core.abi3.so"
    if not loaded("hatch_build", ROOT / "hatch_build.py").build(ROOT, path, *options):
        raise SystemExit("the core was not compiled")
    return path


def take_core(path: Path) -> ModuleType:
    """Load a core; the package uses it if it has not been imported yet."""
    assert "coherence.scoring.fast" not in sys.modules
    return loaded(NAME, path)
