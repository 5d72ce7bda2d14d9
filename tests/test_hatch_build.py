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


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_core_is_compiled_without_a_warning(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    module = tmp_path / "_core.abi3.so"
    assert hook.build(ROOT, module, "-Werror", "-O1")
    assert module.stat().st_size > 0


@pytest.mark.parametrize(
    ("system", "platform", "options"),
    [
        ("linux", "linux-aarch64", "-fPIC -lm"),
        ("darwin", "macosx-11.0-arm64", "-undefined dynamic_lookup -arch arm64"),
        ("darwin", "macosx-10.9-universal2", "-undefined dynamic_lookup -arch arm64 -arch x86_64"),
        ("win32", "win-amd64", f"-L{Path(sys.base_prefix, 'libs')} -lpython3"),
    ],
)
def test_each_system_has_its_options(hook: ModuleType, system: str, platform: str, options: str) -> None:
    assert hook.of_platform(system, platform) == options.split()


def test_a_change_of_the_sources_changes_their_fingerprint(hook: ModuleType, tmp_path: Path) -> None:
    shutil.copytree(ROOT / hook.SOURCES, tmp_path / hook.SOURCES)
    assert hook.fingerprint(tmp_path) == hook.fingerprint(ROOT)
    with (tmp_path / hook.SOURCES / "core.h").open("a") as header:
        header.write("\n")
    assert hook.fingerprint(tmp_path) != hook.fingerprint(ROOT)


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
