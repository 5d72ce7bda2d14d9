"""Cores built in another way than the one in place, and taken instead of it."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from places import ROOT

NAME = "coherence.scoring._core"


def loaded(name: str, path: Path) -> ModuleType:
    """Load a module from a file, as if it were imported by this name."""
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build_core(folder: Path, *options: str) -> Path:
    """Compile the core into a folder, with these options besides the usual; return the file."""
    path = folder / "_core.abi3.so"
    if not loaded("hatch_build", ROOT / "hatch_build.py").build(ROOT, path, *options):
        raise SystemExit("the core was not compiled")
    return path


def take_core(path: Path) -> ModuleType:
    """Load a core, which the package takes if it has not yet been imported."""
    assert "coherence.scoring.fast" not in sys.modules
    return loaded(NAME, path)
