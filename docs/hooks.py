"""What the site needs: README is its home page, and links out of docs/ lead to the repository."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Make README the first page."""
    files.append(File.generated(config, "index.md", content=(ROOT / "README.md").read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: MkDocsConfig, **_: Any) -> str:
    """Lead each link to its page of the site, or to its file in the repository."""
    home = page.file.src_uri == "index.md"
    folder = "." if home else posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def lead(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link[1]))
        if path == "README.md":
            path = "docs/index.md"
        if path.startswith("docs/"):
            return posixpath.relpath(path, "docs" if home else folder)
        return f"{config.extra['repository']}/blob/main/{path}"

    return LINK.sub(lead, markdown)
