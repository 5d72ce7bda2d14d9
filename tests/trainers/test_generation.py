"""Stop a generation that loops: what counts as a loop, and in the real `generate` of a tiny model."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coherence.trainers.generation import LONGEST_PERIOD, LoopDetector, LoopStopper, Repeat, find_repeat


def plainly(tokens: list[int], at_least: int, times: int) -> Repeat | None:
    """The definition, written down as slowly and plainly as can be."""
    for end in range(1, len(tokens) + 1):
        for period in range(1, LONGEST_PERIOD + 1):
            start = end - 1
            while start >= period and tokens[start] == tokens[start - period]:
                start -= 1
            start = max(0, start - period + 1)
            covered = end - start
            if covered > period and covered >= max(at_least, times * period):
                return Repeat(start, period)
    return None


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 2), max_size=8),
    st.lists(st.integers(0, 2), min_size=1, max_size=5),
    st.integers(0, 30),
    st.integers(2, 20),
    st.integers(2, 6),
)
def test_finds_what_the_plain_definition_finds(
    before: list[int], phrase: list[int], times: int, at_least: int, copies: int
) -> None:
    tokens = before + phrase * times + before
    assert find_repeat(tokens, at_least, copies) == plainly(tokens, at_least, copies)


class TestWhatIsALoop:
    def test_one_begins_at_the_first_copy(self) -> None:
        words = ["The", "rain", "fell", "on", "the", "hill.", *["He", "went", "on."] * 60]
        assert find_repeat(words) == Repeat(start=6, period=3)

    def test_a_long_phrase_is_one_at_its_fifth_copy(self) -> None:
        phrase = list(range(100))
        assert find_repeat(phrase * 4 + phrase[:99]) is None
        assert find_repeat(phrase * 5) == Repeat(0, 100)

    def test_the_longest_phrase_is_one_and_a_longer_one_is_not(self) -> None:
        assert find_repeat(list(range(LONGEST_PERIOD)) * 5) == Repeat(0, LONGEST_PERIOD)
        assert find_repeat(list(range(LONGEST_PERIOD + 1)) * 9) is None

    @pytest.mark.parametrize(
        "healthy",
        [
            "- milk\n- bread\n- butter\n- eggs\n" * 2,
            "-" * 100,
            "| 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 |\n",
            "ha " * 30,
            "".join(f"{number}. Step {number} of the plan.\n" for number in range(1, 200)),
            "".join(f"| {row} | {row * row} | yes | no |\n" for row in range(300)),
            "".join(f"    x[{row}] = 0\n" for row in range(300)),
            ("Row, row, row your boat, gently down the stream. " * 4 + "Life is but a dream. ") * 4,
        ],
        ids=["list", "ruler", "zeros", "laughter", "steps", "table", "code", "refrain"],
    )
    def test_healthy_text_is_none_word_by_word_nor_byte_by_byte(self, healthy: str) -> None:
        assert find_repeat(healthy.split()) is None
        assert find_repeat(healthy.encode()) is None

    def test_another_token_in_between_ends_one(self) -> None:
        tokens = [1, 2] * 59 + [3]
        assert find_repeat(tokens * 50, at_least=1000) == Repeat(0, 119)
        assert find_repeat(tokens + [1, 2] * 59) is None

    def test_any_token_that_can_be_compared_will_do(self) -> None:
        assert find_repeat([("a", 1), ("b", 2)] * 60) == find_repeat(b"ab" * 60) == Repeat(0, 2)

    @pytest.mark.parametrize("setting", [{"tokens": 1}, {"times": 0}])
    def test_fewer_than_two_are_refused(self, setting: dict[str, int]) -> None:
        for kind in (LoopDetector, LoopStopper):
            with pytest.raises(ValueError, match=r"(tokens 1|times 0); expected 2 or more"):
                kind(**setting)


def test_no_decoder_needs_torch() -> None:
    asked = "import sys, coherence.trainers.generation as g; g.find_repeat('ab' * 99); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert not {"torch", "transformers"}.intersection(loaded.stdout.split())


class Parrot:
    """Makes each row of a batch say what it is given, whatever the model makes of it."""

    def __init__(self, torch: Any, said: list[list[int]], prompt: int) -> None:
        self.torch, self.said, self.prompt = torch, said, prompt

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        forced = self.torch.full_like(scores, -1e9)
        for row, said in enumerate(self.said):
            forced[row, said[input_ids.shape[1] - self.prompt]] = 0.0
        return forced


class TestInTransformers:
    @pytest.fixture
    def generate(self, tiny: Callable[..., Any]) -> Callable[..., list[list[int]]]:
        """Generates from a prompt what each row is to say; returns what each row came to be."""
        torch = pytest.importorskip("torch")
        model = tiny()
        model.config.n_positions = 4096
        model.transformer.wpe = torch.nn.Embedding(4096, 16)

        def start(
            stopper: LoopStopper, said: list[list[int]], prompt: list[int] | None = None, **options: Any
        ) -> list[list[int]]:
            asked = torch.tensor([prompt or [7, 8, 9]] * len(said))
            out = model.generate(
                asked,
                attention_mask=torch.ones_like(asked),
                stopping_criteria=[stopper],
                logits_processor=[Parrot(torch, said, asked.shape[1])],
                max_new_tokens=len(said[0]),
                pad_token_id=256,
                do_sample=False,
                **options,
            )
            rows: list[list[int]] = out.tolist()
            return rows

        return start

    def test_each_row_ends_for_itself(self, generate: Callable[..., list[list[int]]]) -> None:
        healthy = [(number * number) % 251 for number in range(300)]
        loops = [1, 2, 3] * 100
        later = healthy[:100] + [5] * 200
        stopper = LoopStopper(pad_token_id=256)
        rows = generate(stopper, [healthy, loops, later, [*loops[1:], 1]])
        assert rows[0] == [7, 8, 9, *healthy]
        ends = [row.index(256) if 256 in row else len(row) for row in rows]
        assert ends == [303, 123, 223, 123]
        assert stopper.found == [None, Repeat(3, 3), Repeat(103, 1), Repeat(3, 3)]

    def test_it_all_ends_when_every_row_loops(self, generate: Callable[..., list[list[int]]]) -> None:
        rows = generate(LoopStopper(), [[1] * 1000, [1, 2] * 500])
        assert [len(row) for row in rows] == [123, 123]

    def test_a_row_that_has_ended_does_not_loop_in_its_padding(
        self, generate: Callable[..., list[list[int]]]
    ) -> None:
        said = [[1, 2, 256] + [0] * 297, [(number * number) % 251 for number in range(300)]]
        for pad, found in ((256, None), (None, Repeat(5, 1))):
            stopper = LoopStopper(pad_token_id=pad)
            generate(stopper, said)
            assert stopper.found == [found, None]

    def test_what_the_prompt_repeats_does_not_count(self, generate: Callable[..., list[list[int]]]) -> None:
        stopper = LoopStopper()
        (row,) = generate(stopper, [[5, 6] * 59 + [1] * 2], prompt=[5, 6] * 200)
        assert (len(row), stopper.found) == (520, [None])
        (row,) = generate(stopper, [[5, 6] * 100], prompt=[5, 6] * 200)
        assert (len(row), stopper.found) == (520, [Repeat(400, 2)])

    def test_another_generation_begins_anew(self, generate: Callable[..., list[list[int]]]) -> None:
        stopper = LoopStopper()
        for said, found in (([3] * 119, None), ([3] * 119, None), ([4, 3] * 70, Repeat(3, 2))):
            generate(stopper, [said])
            assert stopper.found == [found]

    def test_beams_take_their_state_with_them(self) -> None:
        torch = pytest.importorskip("torch")
        stopper = LoopStopper(tokens=4, times=2)
        history = torch.tensor([[9, 1], [9, 2]])
        stopper(history)
        stopper(torch.cat([history, torch.tensor([[1], [2]])], 1))  # 9 1 1, 9 2 2
        swapped = torch.tensor([[9, 2, 2, 2], [9, 1, 1, 3]])
        assert stopper(swapped).tolist() == [False, False]
        assert stopper(torch.tensor([[9, 1, 1, 3, 3], [9, 2, 2, 2, 2]])).tolist() == [False, True]
        assert stopper.found == [None, Repeat(1, 1)]

    def test_no_beam_goes_on_once_it_loops(self, tiny: Callable[..., Any]) -> None:
        torch = pytest.importorskip("torch")
        model = tiny().eval()  # untrained, it loops at once
        asked = torch.tensor([[7, 8]])

        def search(*stopping: LoopStopper) -> list[int]:
            options = {"num_beams": 3, "do_sample": False, "early_stopping": True, "pad_token_id": 256}
            mask = torch.ones_like(asked)
            criteria: dict[str, Any] = {"stopping_criteria": list(stopping)} if stopping else {}
            out = model.generate(asked, attention_mask=mask, max_new_tokens=60, **options, **criteria)
            row: list[int] = out[0, 2:].tolist()
            return row

        free, held = search(), search(LoopStopper(tokens=20))
        assert find_repeat(free[:-1], 20) is not None
        assert find_repeat(held[:-1], 20) is None
        assert find_repeat(held, 20) is not None
        assert len(held) < len(free)
