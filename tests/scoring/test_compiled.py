"""The compiled scorer says of any text exactly what `score` says, in any batch, group and thread."""

import json
import math
import os
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise
from pathlib import Path
from pydoc_data.topics import topics
from subprocess import CompletedProcess, run

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from places import ROOT

from coherence import Lexicon, Profile, score
from coherence.scoring.between import COMPARED, between_samples
from coherence.scoring.profile import Curve
from coherence.scoring.text import clean, tokenize

pytest.importorskip("numba", reason="the compiled scorer is optional: pip install 'coherence[fast]'")
from coherence.scoring.columns import scores_of
from coherence.scoring.compiled import score as kernel
from coherence.scoring.compiled.score import score_compiled

RUNS = ROOT / "fixtures/runs"
FIXTURES = [
    (row["text"], row.get("prompt"))
    for path in sorted(RUNS.glob("*/samples.jsonl"))
    for row in map(json.loads, path.read_text("utf-8").splitlines())
]
MANUAL = "\n\n".join(topics[name] for name in sorted(topics))


def assert_equal(
    texts: Sequence[str],
    prompts: Sequence[str | None] | None = None,
    lexicon: Lexicon | None = None,
    profile: Profile | None = None,
) -> None:
    found = list(scores_of(score_compiled(texts, prompts, lexicon, profile)))
    expected = [
        score(text, prompt, lexicon, profile)
        for text, prompt in zip(texts, prompts or [None] * len(texts), strict=True)
    ]
    assert found == expected


# Any text

HOSTILE = st.sampled_from(
    [
        # folding to more characters or to far ones
        *"ßİﬃŉΐſKςᎠꭰé\u0345",
        # marks, other scripts, numbers, signs
        *"\u0301\u20e3々ーｶ東ひカ한ไ😀🏴½²Ⅷ٣'’-‐_.",
        # white space or not, lone surrogates, no characters
        *" \n\r\0\x1c\x85\u200b\u2028\u3000\u180e\u0378\ud800\udfff\U0010ffff",
    ]
)
WORDS = st.sampled_from(
    [
        *("the", "The", "cat", "cat's", "CAT’S", "don’t", "don't", "well-kept", "well-kept's", "xq-the"),
        *("a-b-c", "budy", "42", "4th", "-", "'", "’’", "!", "é", "東京", "привет", "main" * 7, "x" * 24),
        *("x" * 25, "ﬃ" * 9, "abc-" * 9 + "d", "o'" * 30 + "k"),
        *("<s>", "</s>", "<|endoftext|>", "[PAD]", "<", "[", "> ", "\n< ", "\n--------\n", "\n+====|\n"),
    ]
)
TEXT = st.one_of(
    st.text(st.characters(), max_size=80),
    st.text(st.characters(codec=None, exclude_categories=[], max_codepoint=0x24F), max_size=80),
    st.text(st.characters(categories=["Cs", "Cn", "Co", "Cc", "Cf"]), max_size=20),
    st.text(st.characters(categories=["M", "Lm", "No", "Pd", "Zs"]), max_size=40),
    st.text("ab' -’\n", max_size=200),
    st.lists(HOSTILE, max_size=60).map("".join),
    st.lists(st.one_of(HOSTILE, WORDS), max_size=60).map("".join),
    st.lists(WORDS, max_size=60).map(" ".join),
    st.builds(lambda unit, times: unit * times, st.text(max_size=12), st.integers(1, 400)),
    st.builds(lambda words, times: f"{' '.join(words)} " * times, st.lists(WORDS), st.integers(1, 60)),
    st.builds(lambda at, size: MANUAL[at : at + size], st.integers(0, 300_000), st.integers(0, 3000)),
)


@given(st.lists(TEXT, max_size=5))
def test_many_scores_are_those_of_score(texts: list[str]) -> None:
    assert_equal(texts)


@given(st.lists(st.tuples(TEXT, TEXT, st.booleans()), max_size=4))
@example([("<s>Once upon", " a time", True), ("", "> a\n< b\n> c\nd\n< e", False), ("", "\ud800", True)])
def test_prompts_special_tokens_and_chats_are_cut_off_as_score_does(
    samples: list[tuple[str, str, bool]],
) -> None:
    texts = [prompt + said for prompt, said, _ in samples]
    assert_equal(texts, [prompt if given else None for prompt, _, given in samples])


# fmt: off
EDGES = (
    # nothing, next to nothing
    "", " ", "\n\u3000\x1c", "<|endoftext|>", "\0", "\ud83d",
    "D", "ab", "abc", "abcd", "abcde", "the the", "! !",
    # what folding does to length
    "ß", "İ", "ΐΐ", "ﬃ" * 8, "ﬃ" * 9, "ΐ" * 5000, "aΐ" * 3000,
    # words of 24 characters and more, with joints and without
    "x" * 24, "x" * 25, "x" * 24 + "'x", "ab-" * 8 + "cd", "a" * 30 + "-b-" + "c" * 25, "a’b" * 9, "1" * 26,
    # joints that join nothing
    "a-", "-a", "a--b", "a'-b", "'tis", "’", "a-東", "東-a", "a'\u0301b", "a - b",
    # scripts without spaces, marks alone, signs beyond the first plane
    "東京タワーはとても高い", "々ー", "\u0301\u0301", "a\u0301" * 20,
    "😀" * 50, "😀😃😄😁😆😅" * 9, "a😀b", "𝒜𝒷𝒸 𝒜𝒷𝒸",
    # more distinct things than a table of the first size holds
    "".join(map(chr, range(0x4E00, 0x9FFF))),
    "".join(map(chr, range(0x20, 0x30000, 7))),
    " ".join(f"w{number}" for number in range(30_000)),
    # long runs
    "a" * 100_000, "ab" * 50_000, "the cat " * 20_000, "!?" * 40_000, "\n" * 9 + "x" + "\n" * 9 + "y",
)
# fmt: on


def test_edge_cases_score_the_same_alone_and_in_one_batch() -> None:
    assert_equal(EDGES)
    for text in EDGES:
        assert_equal([text])


def test_samples_of_a_batch_leave_nothing_behind() -> None:
    assert_equal(["xyz😀", "abcdabc😀" * 3, "xyz\ufb03", "the the", "", "😀xyz", "abcdabc😀" * 3, "the cat"])


def test_every_code_point_scores_the_same() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    assert_equal(["".join(f"a{c}b'{c}-{c}" for c in every[at : at + 512]) for at in range(0, 0x20000, 512)])
    assert_equal(["".join(every[at : at + 4096]) for at in range(0, len(every), 4096)])


def test_the_fixture_runs_score_the_same() -> None:
    texts, prompts = zip(*FIXTURES, strict=True)
    assert_equal(texts, prompts)
    assert_equal(texts)


def test_a_manual_scores_the_same_at_every_length() -> None:
    assert_equal([MANUAL[:size] for size in (60, 300, 2048, 20_000, 200_000)])
    assert_equal([MANUAL[at : at + 777] for at in range(0, 100_000, 777)])


def test_text_with_rulers_scores_the_same() -> None:
    assert_equal([f"{MANUAL[:500]}\n{sign * 200}\n{MANUAL[500:900]}\nend" for sign in "-=_.~ß"])


# Word lists and profiles


@pytest.mark.parametrize(
    "words",
    [
        [],
        [""],
        ["cat"],
        ["cat", "", "Cat", "don’t", "the\nend", "\ud800", "東", "!", "x" * 24, "x" * 25, "😀"],
        ["the", "don't", "well", "kept", "-", "a", "b", "c", "4th", "42", "e\u0301", "'s", "cat's"],
    ],
)
def test_custom_word_lists_score_the_same(words: list[str]) -> None:
    lexicon = Lexicon(words)
    assert_equal(
        [
            "cat cats CAT's don’t don't",
            "well-kept well-kept’s well-xq 東 !",
            "a-b-c 4th 42 e\u0301",
            "x" * 24,
        ],
        lexicon=lexicon,
    )
    assert_equal([MANUAL[:2000], *EDGES[:40]], lexicon=lexicon)


@settings(max_examples=30)
@given(st.lists(TEXT, max_size=3), st.lists(st.text(st.sampled_from("abthecin's-’ß"), max_size=6)))
def test_any_word_list_scores_the_same(texts: list[str], words: list[str]) -> None:
    assert_equal(texts, lexicon=Lexicon([*words, *(word for text in texts for word in text.split())]))


def test_custom_profiles_score_the_same() -> None:
    default = Profile.load()
    steep = {scale: Curve([(1, 1), (3, 2.5), (10**9, 1e5)]) for scale in default.curves}
    no_english = {scale: curve for scale, curve in default.curves.items() if scale != "english"}
    texts = ["", "a b", MANUAL[:3000], "the " * 50, *(text for text, _ in FIXTURES[:50])]
    assert_equal(texts, profile=default._replace(english_share=0.03, curves=steep))
    assert_equal(texts, profile=default._replace(english_share=0.0, curves=no_english))


# Groups


def between_of(texts: Sequence[str]) -> float | None:
    cleaned = map(clean, texts[:COMPARED])
    return between_samples([tokenize(text) for text in cleaned if score(text).scorable])


def assert_between_is_that_of_each_group(
    texts: Sequence[str], groups: Sequence[int], batch: int = kernel.BATCH
) -> None:
    columns = score_compiled(texts, groups=groups, batch=batch)
    found = [None if math.isnan(value) else value for value in columns.between.tolist()]
    bounds = pairwise(accumulate(groups, initial=0))
    assert found == [between_of(texts[start:stop]) for start, stop in bounds]
    assert list(scores_of(columns)) == list(scores_of(score_compiled(texts)))


STEP = st.lists(st.one_of(TEXT, st.sampled_from(["ab " * 12, MANUAL[:500]])), max_size=4)


@given(st.lists(STEP, max_size=4))
@example([[], ["a b c d e f g h i j"] * 2, ["short"], [], ["a b c d e f g h i j", "!" * 41, "x" * 40]])
def test_between_compares_the_samples_of_each_group(steps: list[list[str]]) -> None:
    assert_between_is_that_of_each_group([text for step in steps for text in step], list(map(len, steps)))


def test_between_is_right_for_large_groups() -> None:
    texts = [MANUAL[at : at + 900] for at in range(0, 90_000, 450)]
    assert_between_is_that_of_each_group(texts, [1, 0, 99, 2, 3, 95], batch=5000)
    texts = [MANUAL[:60_000], MANUAL[30_000:120_000], MANUAL[:60_000]]
    assert_between_is_that_of_each_group(texts, [3], batch=5000)


def test_groups_and_prompts_have_to_add_up() -> None:
    with pytest.raises(ValueError, match="groups of 3 samples for 2 texts"):
        score_compiled(["a", "b"], groups=[1, 2])
    with pytest.raises(ValueError, match="argument"):
        score_compiled(["a", "b"], prompts=["a"])


def test_no_samples_give_no_scores() -> None:
    assert all(column.size == 0 for column in score_compiled([]))


# Batches, threads, and a machine without numba


@pytest.mark.parametrize("batch", [1, 100, 5000])
def test_it_does_not_matter_how_a_batch_is_split(batch: int) -> None:
    texts, prompts = zip(*FIXTURES[:100], ("", None), ("ΐ" * 999, None), (MANUAL[:9999], None), strict=True)
    whole = list(scores_of(score_compiled(texts, prompts)))
    assert list(scores_of(score_compiled(texts, prompts, batch=batch))) == whole


def test_threads_score_the_same_at_the_same_time() -> None:
    batches = [[text for text, _ in FIXTURES[at::8]] + [MANUAL[at : at + 5000]] for at in range(8)]
    expected = [list(scores_of(score_compiled(batch))) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: list(scores_of(score_compiled(batch))), batches * 4))
    assert found == expected * 4


def test_without_numba_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['numba'] = None; import coherence.scoring.compiled.score"
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert "ImportError: coherence.scoring.compiled needs numba: pip install 'coherence[fast]'" in done.stderr


# Where nothing can be kept

COMPILED = """
import sys
from coherence.scoring import batch
from coherence.scoring.compiled import loops as compiled_loops
from coherence.cli.main import main
print(compiled_loops.__file__, file=sys.stderr)
batch.WORTH_COMPILING = 0
sys.exit(main())
"""


def test_where_compiled_code_can_be_kept_nowhere_an_audit_compiles_anew_and_says_the_same(
    tmp_path: Path,
) -> None:
    for name in ("coherence", "wordlists"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    # A file where there should be a folder: even who may write everywhere cannot make one there.
    nowhere = tmp_path / "coherence/scoring/compiled/__pycache__"
    nowhere.touch()
    names = ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR")
    environment = os.environ | dict.fromkeys(names, str(nowhere / "cache")) | {"PYTHONPATH": str(tmp_path)}
    arguments = ["audit", str(RUNS / "leak"), "--json", "-"]

    def audit(*program: str) -> CompletedProcess[str]:
        command = [sys.executable, *program, *arguments]
        return run(  # noqa: S603 - ourselves
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    plain, compiled = audit("-m", "coherence.cli"), audit("-c", COMPILED)
    assert compiled.stderr.startswith(str(tmp_path)), compiled.stderr
    assert "(plain scorer)" in plain.stderr
    assert "(compiled scorer)" in compiled.stderr
    assert (plain.returncode, compiled.returncode) == (1, 1)
    assert json.loads(compiled.stdout) == json.loads(plain.stdout)
