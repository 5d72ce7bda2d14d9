"""The samples that a page shows, of runs with more than it can show."""

import json
import random
from pathlib import Path

import pytest

from coherence.audit.conduct import audit_dump
from coherence.audit.plan import Options, Request, prepare
from coherence.audit.runners import here
from coherence.readers.format import USUAL
from coherence.report import Report
from coherence.show.page.gallery import SAMPLES, Gallery, PageSample
from coherence.show.page.made import made_now
from coherence.show.page.page import report_page

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ    "
NUMBER, HALT = 2500, 1500


def text(number: int) -> str:
    """Random letters, which hardly compress; a loop on every seventh line, and where the run halts."""
    if number % 7 == 3 or HALT <= number < HALT + 5:
        return f"it is {number} " * 15
    order = random.Random(number)  # noqa: S311 - no secret
    return "".join(order.choices(LETTERS, k=700))


def shown(folder: Path) -> tuple[Report, list[PageSample], str]:
    """The report, the samples and the page of such a run."""
    path = folder / "dump.jsonl"
    path.write_text(
        "".join(json.dumps({"step": n, "text": text(n)}) + "\n" for n in range(NUMBER)), encoding="utf-8"
    )
    request, gallery = Request([str(path)], None, None, USUAL, Options(), None), Gallery()
    found, dump = audit_dump(request, prepare(request), here, lambda _output: None, [gallery.see])
    assert isinstance(found, Report)
    samples = gallery.shown(dump.texts, found.halt, found.resume_from)
    page = report_page(found, samples, "run", made_now(["audit", "dump.jsonl"]), gallery.curves)
    return found, samples.samples, page


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, list[PageSample], str]:
    return shown(tmp_path_factory.mktemp("many"))


@pytest.mark.slow
def test_of_many_samples_few_are_shown_in_the_order_of_the_steps(
    run: tuple[Report, list[PageSample], str],
) -> None:
    _, samples, _ = run
    assert len(samples) <= SAMPLES + 12 < NUMBER
    assert [each.step for each in samples] == sorted({each.step for each in samples})


def test_what_halted_the_run_the_last_fine_one_before_the_worst_and_the_best_are_among_them(
    run: tuple[Report, list[PageSample], str],
) -> None:
    found, samples, _ = run
    assert found.halt_step is not None
    steps = {each.step for each in samples}
    halting = range(found.halt_step - 4, found.halt_step + 1)
    assert {*halting, halting[0] - 1} <= steps
    assert {each.step for each in (*found.worst, *found.best)} <= steps


def test_the_file_is_below_a_megabyte_even_of_random_letters(
    run: tuple[Report, list[PageSample], str],
) -> None:
    assert len(run[2].encode()) < 1_000_000
