"""The profiles that come with the package: found by name, not blind, and kind to text of their kind."""

import json
from pathlib import Path
from typing import Any

import pytest
from kinds import KINDS, RECORDS, written
from prose import prose

from coherence import Monitor, Profile, score, score_many
from coherence.audit import audit
from coherence.check import check, take_snapshot
from coherence.scoring.between import between_samples
from coherence.scoring.calibration import calibrate, prove
from coherence.scoring.profile import SCALES, SHIPPED
from coherence.scoring.text import clean, tokenize
from coherence.signals.samples import ALIKE_BELOW
from coherence.signals.settings import profile_label

pytestmark = pytest.mark.once

TEXTS = [(name, part) for name, parts in KINDS.items() for part in parts]


def text(name: str, part: str, characters: int = 20_000, seed: object = 0) -> str:
    return written(KINDS[name][part], characters, seed)


def test_every_profile_is_found_by_its_name_and_is_broad() -> None:
    assert ("english", *KINDS) == SHIPPED
    for name in SHIPPED:
        profile = Profile.load(name)
        assert profile is Profile.load(name)
        assert (profile.name, set(profile.curves)) == (name, set(SCALES))
        assert profile.tokens > 10**6


def test_a_profile_that_has_no_name_of_these_and_is_no_file_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"'cod' is neither a file nor a profile; .* english, code, data, logs"
    ):
        Profile.load("cod")


def test_whatever_takes_a_profile_takes_its_name(tmp_path: Path) -> None:
    text, code = written(RECORDS, 600, 1), Profile.load("code")
    file = tmp_path / "samples.jsonl"
    file.write_text("".join(json.dumps({"step": step, "text": text}) + "\n" for step in range(20)))
    assert score(text, profile="code") == score(text, profile=code) != score(text)
    assert score_many([text], profile="code").bigram.tolist() == [score(text, profile=code).bigram]
    with Monitor(tmp_path / "run", profile="code") as monitor:
        assert monitor.settings.profile == code
    assert audit(file, profile="code").settings.profile == profile_label(code)
    take_snapshot(file, profile="code").save(tmp_path / "good.json")
    assert check(file, snapshot=tmp_path / "good.json", profile=code).verdict != "fail"


@pytest.mark.parametrize("name", ["kode", 5])
def test_what_is_neither_a_profile_nor_the_name_of_one_is_refused_by_its_value(
    tmp_path: Path, name: Any
) -> None:
    for take in (
        lambda: score("Once", profile=name),
        lambda: score_many(["Once"], profile=name),
        lambda: Monitor(tmp_path / "run", profile=name),
        lambda: audit(tmp_path, profile=name),
    ):
        with pytest.raises((TypeError, ValueError), match=r"kode.* the profiles are english|PathLike.*int"):
            take()
    assert not (tmp_path / "run").exists()


def test_a_file_without_an_ending_is_a_profile_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").write_bytes(
        (Path(Profile.load.__globals__["__file__"]).parent / "profiles/logs.json").read_bytes()
    )
    assert Profile.load("mine").name == "logs"


def test_the_default_profile_is_the_one_that_runs_were_stated_with() -> None:
    assert profile_label(None) == profile_label(Profile.load("english")) == "english b499155c"


@pytest.mark.parametrize(("name", "part"), TEXTS)
def test_loops_are_low_under_the_profile_of_their_kind_and_healthy_passages_are_not(
    name: str, part: str
) -> None:
    proof = prove(Profile.load(name), {part: text(name, part)})
    assert proof.lines >= 0.95
    assert proof.blocks >= 0.95
    assert proof.passages <= 0.04


@pytest.mark.parametrize(("name", "part"), TEXTS)
def test_passages_are_not_only_no_loops_but_fine_under_the_profile_of_their_kind(
    name: str, part: str
) -> None:
    own = Profile.load(name)
    samples = [text(name, part, characters, characters) for characters in range(300, 4800, 300)]
    assert {score(each, profile=own).kind() for each in samples} == {"fine"}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "part"), TEXTS)
def test_a_profile_of_ones_own_passes_the_proof_on_text_that_it_was_not_measured_on(
    name: str, part: str
) -> None:
    own = calibrate({part: text(name, part, 40_000)})
    proof = prove(own, {part: text(name, part, seed="other")})
    assert (proof.lines, proof.blocks) >= (0.95, 0.95)
    assert proof.passages <= 0.04


# Between samples


def diversity(profile: Profile, texts: list[str]) -> float:
    found = between_samples([tokenize(clean(each)) for each in texts])
    assert found is not None
    return profile.against_passages(found)


@pytest.mark.parametrize(("name", "part"), TEXTS)
def test_samples_of_one_kind_are_not_alike_to_its_profile_and_equal_ones_are(name: str, part: str) -> None:
    own = Profile.load(name)
    samples = [text(name, part, 2000, seed) for seed in range(8)]
    assert diversity(own, samples) >= ALIKE_BELOW
    assert diversity(own, samples[:1] * 8) == 0


@pytest.mark.slow
def test_records_are_alike_to_broad_english_and_not_to_a_profile_of_their_own() -> None:
    samples = [written(RECORDS, 2000, seed) for seed in range(8)]
    assert diversity(Profile.load(), samples) < ALIKE_BELOW
    for own in (Profile.load("data"), calibrate({"records": written(RECORDS, 40_000, "own")})):
        assert diversity(own, samples) >= ALIKE_BELOW


def test_passages_of_sentences_share_little_to_every_profile() -> None:
    samples = [prose(40, seed) for seed in range(8)]
    for name in SHIPPED:
        assert diversity(Profile.load(name), samples) >= ALIKE_BELOW
