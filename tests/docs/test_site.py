"""The pages as a site: it builds without a warning, its menu has every page, and it loads nothing."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

DOCS = ROOT / "docs"
ELSEWHERE = re.compile(
    r"""<(?:script|img|iframe)[^>]*\ssrc="?(?:https?:)?//|<link[^>]*\srel="?(?:stylesheet|preconnect)[^>]*//"""
)
FACES = ("scoring", "signals", "readers", "run", "audit", "check")


def in_menu() -> set[str]:
    """Return the pages that the menu names."""
    return set(
        re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    )


def test_the_menu_has_every_page() -> None:
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert in_menu() == pages | {"index.md"}


@pytest.mark.parametrize("name", FACES)
def test_the_reference_has_every_name_of_the_public_face(name: str) -> None:
    page = (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8")
    face = importlib.import_module(f"coherence.{name}")
    named = re.findall(rf"^::: coherence\.{name}\.(\w+)$|^`(\w+)`: see", page, re.MULTILINE)
    assert sorted("".join(each) for each in named) == sorted(face.__all__)


def test_the_reference_has_every_name_of_the_package() -> None:
    page = (DOCS / "reference" / "coherence.md").read_text(encoding="utf-8")
    face = importlib.import_module("coherence")
    named = re.findall(r"^::: coherence\.(\w+)$", page, re.MULTILINE)
    assert sorted([*named, "__version__"]) == sorted(face.__all__)


@pytest.mark.once
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    for library in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(library, reason="the extra docs is not installed", exc_type=ImportError)
    built = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(in_menu())
    assert not [page.name for page in pages if ELSEWHERE.search(page.read_text(encoding="utf-8"))]
    assert (tmp_path / "report-light.png").is_file()
