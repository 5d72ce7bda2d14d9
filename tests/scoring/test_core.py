"""The core says of any text exactly what the plain scorer says, in any batch, group and thread."""

import json
import math
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pydoc_data.topics import topics
from subprocess import run
from threading import Barrier

import pytest
from cores import loaded
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_of_bytes import LONG_RECIPES, MANY, RECIPES, asked, differences
from places import ROOT

from coherence import Lexicon, Profile
from coherence.scoring import again, between, fast, scores, word_order
from coherence.scoring import text as text_module
from coherence.scoring.batch import score_core, score_plain
from coherence.scoring.columns import Columns, scores_of
from coherence.scoring.profile import Curve
from coherence.scoring.scores import Scores, score_tokens
from coherence.scoring.text import answer, clean, tokenize

if fast.CORE is None:
    pytest.skip("the core is optional, and was not built: make core", allow_module_level=True)

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
    found = list(scores_of(score_core(texts, prompts, lexicon, profile)))
    assert found == [
        plainly(text, prompt, lexicon, profile)
        for text, prompt in zip(texts, prompts or [None] * len(texts), strict=True)
    ]


def plainly(
    text: str,
    prompt: str | None = None,
    lexicon: Lexicon | None = None,
    profile: Profile | None = None,
) -> Scores:
    cleaned = clean(text, prompt)
    return score_tokens(cleaned, tokenize(cleaned), lexicon, profile)


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


@pytest.mark.slow
@given(st.lists(TEXT, max_size=5))
def test_scores_are_those_of_the_plain_scorer(texts: list[str]) -> None:
    assert_equal(texts)


@pytest.mark.slow
@given(st.lists(st.tuples(TEXT, TEXT, st.booleans()), max_size=4))
@example([("<s>Once upon", " a time", True), ("", "> a\n< b\n> c\nd\n< e", False), ("", "\ud800", True)])
def test_prompts_special_tokens_and_chats_are_cut_off_as_score_does(
    samples: list[tuple[str, str, bool]],
) -> None:
    texts = [prompt + said for prompt, said, _ in samples]
    assert_equal(texts, [prompt if given else None for prompt, _, given in samples])


STEPS = st.one_of(st.sampled_from([*RECIPES, *LONG_RECIPES]), st.binary(max_size=16))


@pytest.mark.slow
@given(st.binary(min_size=3, max_size=3), st.lists(STEPS, max_size=6))
def test_texts_made_of_bytes_score_the_same(how: bytes, steps: list[bytes]) -> None:
    assert differences(asked(how + b"".join(steps), characters=2_000)) == []


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=bytes.hex)
def test_each_recipe_of_a_text_scores_the_same(recipe: bytes) -> None:
    assert differences(asked(recipe, characters=2_000)) == []


@pytest.mark.slow
@pytest.mark.parametrize("recipe", LONG_RECIPES, ids=bytes.hex)
def test_each_recipe_of_a_long_text_scores_the_same(recipe: bytes) -> None:
    assert differences(asked(recipe, MANY)) == []


PHRASES = st.builds(
    lambda before, phrase, times, noise: " ".join(noise.join([*before, *phrase * times, *before]).split()),
    st.lists(WORDS, max_size=30),
    st.lists(WORDS, min_size=1, max_size=40),
    st.integers(2, 12),
    st.sampled_from([" ", " ", "\n"]),
)


@pytest.mark.slow
@given(st.lists(PHRASES, min_size=1, max_size=3))
def test_phrases_that_come_again_score_the_same(texts: list[str]) -> None:
    assert_equal(texts)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_templates_and_loops_score_the_same(share: float) -> None:
    """Records of which a share is the one before again: from a template to a loop."""
    kinds = [sum(share * number % 1 >= share for number in range(1, n + 1)) for n in range(60)]
    records = [f'{{"name": "n{kind}", "age": {20 + kind}}}' for kind in kinds]
    assert_equal(["\n".join(records[:n]) for n in (1, 2, 5, 12, 30, 60)])
    assert_equal([f"{MANUAL[:size]}\n" * 3 for size in (20, 100, 300, 900)])


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
    "".join(chr(0x10000 + number * 7919 % 80_000) for number in range(100_000)),
    " ".join(f"w{number}" for number in range(30_000)),
    # long runs
    "a" * 100_000, "ab" * 50_000, "the cat " * 20_000, "!?" * 40_000, "\n" * 9 + "x" + "\n" * 9 + "y",
)
# fmt: on


@pytest.mark.slow
def test_edge_cases_score_the_same_alone_and_in_one_batch() -> None:
    assert_equal(EDGES)
    for text in EDGES:
        assert_equal([text])


def test_samples_of_a_batch_leave_nothing_behind() -> None:
    assert_equal(["xyz😀", "abcdabc😀" * 3, "xyz\ufb03", "the the", "", "😀xyz", "abcdabc😀" * 3, "the cat"])


def test_tokens_of_earlier_texts_are_remembered_for_what_they_were() -> None:
    """Also where the same bytes stand for other characters, and where there are more than are remembered."""
    scripts = [
        ["".join(chr(first + number * step % 32) for number in range(9)) for step in range(1, 30)]
        for first in (0x430, 0x3B1, 0x561, 0x10D0)
    ]
    said = "the cat’s “well-kept” naïve house is {} and walking “{}”, she said"
    texts = [said.format(*words) + " ".join(words) for words in scripts]
    texts += ["".join(map(chr, range(0x4E00, 0x4E80))), said.encode("ascii", "ignore").decode()]
    many = [" ".join(f"{part}w{number}’s" for number in range(3000)) for part in ("a", "b", "c", "d", "é")]
    assert_equal([*texts, *many, *texts[::-1], *many, *texts])
    assert_equal([*texts, *texts], lexicon=Lexicon(["walking", *scripts[0][:20], *scripts[3][:20]]))
    assert_equal(texts)


@pytest.mark.slow
def test_every_code_point_scores_the_same() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    assert_equal(["".join(f"a{c}b'{c}-{c}" for c in every[at : at + 512]) for at in range(0, 0x20000, 512)])
    assert_equal(["".join(every[at : at + 4096]) for at in range(0, len(every), 4096)])


@pytest.mark.slow
def test_the_fixture_runs_score_the_same() -> None:
    texts, prompts = zip(*FIXTURES, strict=True)
    assert_equal(texts, prompts)
    assert_equal(texts)


def test_a_manual_scores_the_same_at_every_length() -> None:
    assert_equal([MANUAL[:size] for size in (60, 300, 2048, 20_000, 200_000)])
    assert_equal([MANUAL[at : at + 777] for at in range(0, 100_000, 777)])


RULED = st.lists(
    st.sampled_from(
        [
            *("=" * 9, "-----", "----", "|", " ", "a", "é", "_____", "\n", "\n"),
            *("\u0345" * 5, "\1" * 6, "\x1c" * 6, "東" * 5, "—" * 6),
        ]
    )
).map("".join)


@given(RULED)
def test_rulers_are_cut_as_in_python(kept: str) -> None:
    said = answer(kept)
    cut = text_module.short_rulers(said)
    assert fast.score_rows([said]) == fast.score_rows([cut], cut_rulers=False)


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


def assert_between_is_the_same(
    texts: Sequence[str], groups: Sequence[int], prompts: Sequence[str | None] | None = None
) -> None:
    found, expected = (scorer(texts, prompts, groups=groups) for scorer in (score_core, score_plain))
    assert nones(found) == nones(expected)
    assert list(scores_of(found)) == list(scores_of(expected))


def nones(columns: Columns) -> list[float | None]:
    return [None if math.isnan(value) else value for value in columns.between.tolist()]


STEP = st.lists(st.one_of(TEXT, st.sampled_from(["ab " * 12, MANUAL[:500]])), max_size=4)


@pytest.mark.slow
@given(st.lists(STEP, max_size=4))
@example([[], ["a b c d e f g h i j"] * 2, ["short"], [], ["a b c d e f g h i j", "!" * 41, "x" * 40]])
def test_between_compares_the_samples_of_each_group(steps: list[list[str]]) -> None:
    assert_between_is_the_same([text for step in steps for text in step], list(map(len, steps)))


PROMPTED = st.tuples(
    st.sampled_from(["", "a?", "b?", "c?", None]), st.sampled_from([MANUAL[:60], "ab " * 12, "x y", "!" * 41])
)


@given(st.lists(st.lists(PROMPTED, max_size=6), max_size=3))
def test_of_each_prompt_the_first_sample_is_compared(steps: list[list[tuple[str | None, str]]]) -> None:
    samples = [sample for step in steps for sample in step]
    prompts, texts = [prompt for prompt, _ in samples], [text for _, text in samples]
    assert_between_is_the_same(texts, list(map(len, steps)), prompts)


def test_between_is_right_for_large_groups() -> None:
    texts = [MANUAL[at : at + 900] for at in range(0, 90_000, 450)]
    assert_between_is_the_same(texts, [1, 0, 99, 2, 3, 95])
    assert_between_is_the_same([MANUAL[:60_000], MANUAL[30_000:120_000], MANUAL[:60_000]], [3])


def test_groups_and_prompts_have_to_add_up() -> None:
    with pytest.raises(ValueError, match="groups of 3 samples for 2 texts"):
        score_core(["a", "b"], groups=[1, 2])
    with pytest.raises(ValueError, match="argument"):
        score_core(["a", "b"], prompts=["a"])


def test_no_samples_give_no_scores() -> None:
    assert all(column.size == 0 for column in score_core([]))


# Batches, threads


@pytest.mark.slow
def test_more_text_than_is_scored_at_once_scores_the_same() -> None:
    texts = [MANUAL[:300_000], "é" + MANUAL[:400_000], *EDGES, MANUAL[:600_000], "on and on"]
    assert list(scores_of(score_core(texts))) == [next(scores_of(score_core([text]))) for text in texts]
    groups = [2, len(EDGES), 2]
    alone = [score_core(part, groups=[len(part)]) for part in (texts[:2], texts[2:-2], texts[-2:])]
    assert nones(score_core(texts, groups=groups)) == [nones(each)[0] for each in alone]


def test_threads_score_the_same_at_the_same_time() -> None:
    batches = [[text for text, _ in FIXTURES[at::8]] + [MANUAL[at : at + 5000]] for at in range(8)]
    expected = [list(scores_of(score_core(batch))) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: list(scores_of(score_core(batch))), batches * 4))
    assert found == expected * 4


@pytest.mark.slow
def test_threads_with_word_lists_and_profiles_of_their_own_score_what_the_plain_scorer_does() -> None:
    requests = [
        asked(bytes([words, profile, 3, 0, 0]) + recipe[5:], 2_000)
        for recipe in RECIPES
        for words in range(3)
        for profile in range(8)
    ]
    expected = [list(scores_of(score_plain(*request))) for request in requests]
    fast._folding.cache_clear()  # pages of the table are made while others score
    begin = Barrier(8)

    def score_all(first: int) -> list[list[Scores]]:
        begin.wait()
        turned = [*requests[first:], *requests[:first]]
        return [list(scores_of(score_core(*request))) for request in turned]

    with ThreadPoolExecutor(8) as pool:
        for first, found in enumerate(pool.map(score_all, range(8))):
            assert found == [*expected[first:], *expected[:first]]


# What it was compiled with


def test_it_was_compiled_from_these_sources() -> None:
    sources = loaded("hatch_build", ROOT / "hatch_build.py").fingerprint(ROOT)
    assert getattr(fast.CORE, "SOURCES", None) == sources, (
        "the core was compiled from other sources: make core"
    )


def test_its_constants_are_those_of_the_modules_in_python() -> None:
    assert fast.CORE is not None
    named = {"NEAR_NEIGHBOURS": again.NEIGHBOURS[0], "FAR_NEIGHBOURS": again.NEIGHBOURS[1]}
    modules = (between, again, word_order, scores, text_module)  # the last one has the PIECE that is meant
    theirs = named | {name: value for module in modules for name, value in vars(module).items()}
    own = {name for name in fast.CORE.CONSTANTS if name not in LAYOUT}
    assert {name: theirs[name] for name in own} == {name: fast.CORE.CONSTANTS[name] for name in own}


LAYOUT = {"LETTER", "JOINT", "SPACE", "ALPHABETIC", "ALPHANUMERIC", "BLANK", "DIGIT"}
LAYOUT |= {"WAS_ALPHANUMERIC", "CLASS_SHIFT", "PAGE", "FOLDS_TO"}
"""What only the core and `fast` have to agree on, which takes them from it."""


# What it refuses


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="it takes Linux to limit memory")
def test_where_memory_runs_out_it_says_so_and_scores_on() -> None:
    done = run([sys.executable, "-c", LITTLE_MEMORY], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr


LITTLE_MEMORY = """
import resource
from coherence.scoring import fast
from coherence.scoring.scores import score_answer
score_answer("warm 東 up")
texts = ["a b " * 3_000_000, "東 b " * 3_000_000, "".join(map(chr, range(33, 1_000_000)))]
for megabytes in (4, 30, 100):
    for text in texts:
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, resource.RLIM_INFINITY))
        try:
            fast.score_rows([text])
        except MemoryError:
            pass
        else:
            raise SystemExit(f"{len(text)} characters in {megabytes} MB")
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(score_answer("no no no no").tokens)
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_each_request_for_memory_may_fail(tmp_path: Path) -> None:
    program = ROOT / "tests/campaigns/memory_fails.py"
    done = run([sys.executable, program, tmp_path], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 0, done.stderr
    of_the_core, _ = map(int, done.stdout.split())
    assert of_the_core > 300


def test_what_is_no_text_is_refused_by_its_type() -> None:
    assert fast.CORE is not None
    with pytest.raises(TypeError, match="a text is a string, not <class 'int'>"):
        fast.score_rows([3])  # type: ignore[list-item]


def test_groups_that_do_not_add_up_are_refused() -> None:
    for groups in ([1], [3], [-1, 3], [2**62, 2**62]):
        with pytest.raises(ValueError, match="the groups do not add up to 2 texts"):
            fast.score_rows(["a", "b"], groups=groups)
    with pytest.raises(ValueError, match="8 bytes for 2 numbers"):
        fast.score_rows(["a", "b"], groups=[2], prompts=["one"])


def test_an_error_of_the_folding_table_is_handed_on() -> None:
    assert fast.CORE is not None

    def page(number: int) -> bytes:
        raise LookupError(f"page {number}")

    with pytest.raises(LookupError, match="page 0"):
        fast.CORE.folding(page)
    with pytest.raises(ValueError, match="a page of the folding table has 768 bytes"):
        fast.CORE.folding(lambda _: b"")
