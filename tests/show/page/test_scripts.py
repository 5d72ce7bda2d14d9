"""The pieces of the pages' scripts share one scope, so no two of them may define the same name."""

import re
from collections import Counter

import pytest

from coherence.show.page.page import SCRIPTS, SCRIPTS_OF_RUNS, asset

DEFINED = re.compile(
    r"^(?:const|let|(?:async )?function) ([\w$]+)|^(?:const|let) \[([\w$, ]+)\]", re.MULTILINE
)


@pytest.mark.parametrize("pieces", [SCRIPTS, SCRIPTS_OF_RUNS], ids=["one run", "several runs"])
def test_no_name_is_defined_twice(pieces: tuple[str, ...]) -> None:
    found = Counter(
        name
        for piece in pieces
        for each in DEFINED.findall(asset(f"script/{piece}.js"))
        for name in "".join(each).split(", ")
    )
    assert [name for name, count in found.items() if count > 1] == []
