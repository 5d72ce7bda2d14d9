"""The core is built where there is a C compiler, and left out where there is none."""

import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
from cores import loaded
from places import ROOT


@pytest.fixture
def hook() -> ModuleType:
    return loaded("hatch_build", ROOT / "hatch_build.py")


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_core_is_compiled_without_a_warning(hook: ModuleType, tmp_path: Path) -> None:
    module = tmp_path / "_core.abi3.so"
    assert hook.build(ROOT, module, "-Werror", "-O1")
    assert module.stat().st_size > 0


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler", "false --quietly"])
def test_without_a_compiler_there_is_no_core_and_a_word_why(
    hook: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    compiler: str,
) -> None:
    monkeypatch.setenv("CC", compiler)
    (tmp_path / "_core.abi3.so").touch()  # of other sources
    assert not hook.build(ROOT, tmp_path / "_core.abi3.so")
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().err.endswith("the plain scorer is used\n")


def test_what_is_not_cpython_has_no_core(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.implementation, "name", "pypy")
    assert not hook.build(ROOT, tmp_path / "_core.abi3.so")
