"""The example: what a kill leaves of its checkpoints, and what its characters are."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from loading import load
from places import ROOT

from coherence import Monitor


def test_a_checkpoint_of_the_example_that_is_broken_off_is_not_there(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the example needs torch")
    example = load(ROOT / "examples" / "train_tiny.py")

    class BrokenOff:
        def __reduce__(self) -> str:
            raise KeyboardInterrupt

    weights = {"first": torch.zeros(9999), "last": BrokenOff()}
    with Monitor(tmp_path) as monitor:
        run = SimpleNamespace(
            options=SimpleNamespace(out=tmp_path),
            restarted=0,
            bandit=SimpleNamespace(names=[]),
            model=SimpleNamespace(state_dict=lambda: weights),
            optimizer=SimpleNamespace(state_dict=dict),
            monitor=monitor,
        )
        with pytest.raises(KeyboardInterrupt):
            example.Training.keep(run, 10)
    assert list((tmp_path / "checkpoints").iterdir()) == []
    assert not (tmp_path / "metrics.jsonl").exists(), "none is noted that is not there"


@pytest.mark.parametrize("characters", [True, False])
def test_a_token_of_the_example_is_a_character_only_if_that_is_asked_for(characters: bool) -> None:
    pytest.importorskip("torch", reason="the example needs torch")
    example = load(ROOT / "examples" / "train_tiny.py")
    size = example.vocabulary(SimpleNamespace(characters=characters))
    text = "".join(f"the {number} walked along\n" for number in range(2000))
    tokenizer = example.Tokenizer(example.learn_merges([text], min(size, 260)))
    found = tokenizer.encode(text)
    assert tokenizer.decode(found) == text
    assert (len(found) == len(text)) == characters
    assert example.GPT(True, size).tokens.num_embeddings == size
