"""A dump of any format between the logs, pages, settings and models of a run: its samples, and no others."""

import random
from pathlib import Path

import pytest
from written import FILES, OTHER, SAID, TEXTS, write, write_beside

from coherence.readers.find import find_runs
from coherence.readers.lines import Part, Problems
from coherence.readers.read import Piece, samples_in
from coherence.readers.records import Sample

DAMAGED = 3000


def samples_below(folder: Path) -> list[Sample]:
    """Return the samples of all runs that are found in a folder; none where it has none."""
    try:
        runs = find_runs([str(folder)])
    except ValueError:
        return []
    pieces = [Piece(Part(file.path), file.format) for run in runs for file in run.samples]
    found: list[Sample] = []
    for piece in pieces:
        try:
            found += samples_in(piece, Problems())
        except (OSError, ValueError):
            continue
    return found


@pytest.mark.parametrize("shape", FILES)
def test_the_samples_of_each_format_are_found_between_all_else_and_nothing_besides(
    tmp_path: Path, shape: str
) -> None:
    write(tmp_path, FILES[shape])
    write_beside(tmp_path)
    assert sorted(sample.text.strip() for sample in samples_below(tmp_path)) == sorted(TEXTS)


def test_what_lies_beside_samples_holds_none(tmp_path: Path) -> None:
    write_beside(tmp_path)
    assert samples_below(tmp_path) == []


@pytest.mark.parametrize("folder", ["logs", "outputs", "samples_of_jobs", "run7"])
def test_the_logs_of_jobs_are_no_samples_whatever_the_folder_is_called(tmp_path: Path, folder: str) -> None:
    jobs = {
        f"{folder}/job_{number}.out": f"### {OTHER} job {number}\nsrun: {OTHER}\n" * 9 for number in range(8)
    }
    write(tmp_path, jobs)
    assert samples_below(tmp_path) == []
    assert samples_below(tmp_path / folder) == []


def damage(content: bytes, chance: random.Random) -> bytes:
    """Return a content that was cut, of which lines are gone or doubled, or bytes are other ones."""
    lines = content.splitlines(keepends=True)
    for _ in range(chance.randint(1, 4)):
        if not lines:
            return b""
        at = chance.randrange(len(lines))
        match chance.randrange(5):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[chance.randrange(len(lines))])
            case 2:
                line = bytearray(lines[at] or b"\n")
                line[chance.randrange(len(line))] = chance.randrange(256)
                lines[at] = bytes(line)
            case 3:
                lines = lines[: at + 1]
            case _:
                lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
    return b"".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(15))
def test_damage_makes_no_sample_of_what_is_none(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - for tests
    for number in range(max(DAMAGED // 15 // len(FILES) // 3, 4)):
        for shape, files in FILES.items():
            folder = tmp_path / f"{shape} {number}"
            write(folder, files)
            write_beside(folder, lambda content: damage(content, chance))
            found = samples_below(folder)
            assert [sample.text for sample in found if OTHER in sample.text] == []
            assert all(SAID in sample.text for sample in found)
