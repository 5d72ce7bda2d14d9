"""Dumps of harnesses are checked as they are: prompts, repeats and filters are told by the dump."""

import json
from pathlib import Path
from typing import Any

import pytest
from checkpoints import loop
from prose import prose

from coherence.check import Check, check, take_snapshot

DOCS, REPEATS = 80, 6
Rows = list[dict[str, Any]]


def answers(doc: int, seed: str, bad: int) -> list[str]:
    return [loop((seed, doc, n)) if doc < bad else f"{prose(40, (seed, doc, n))}." for n in range(REPEATS)]


def of_lm_eval(seed: str, bad: int = 0) -> Rows:
    return [
        {
            "doc_id": doc,
            "doc": {"question": f"Question {doc}?"},
            "arguments": {"gen_args_0": {"arg_0": f"Question: question {doc}?\nAnswer:", "arg_1": {}}},
            "resps": [answers(doc, seed, bad)],
            "filtered_resps": ["18"],
            "filter": name,
        }
        for name in ("strict-match", "flexible-extract")
        for doc in range(DOCS)
    ]


def of_a_server(seed: str, bad: int = 0) -> Rows:
    def choice(number: int, text: str) -> dict[str, Any]:
        return {"index": number, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}

    return [
        {
            "custom_id": f"request-{doc}",
            "response": {
                "body": {
                    "object": "chat.completion",
                    "choices": [choice(*each) for each in enumerate(answers(doc, seed, bad))],
                }
            },
        }
        for doc in range(DOCS)
    ]


def of_alpaca(seed: str, bad: int = 0) -> Rows:
    return [
        {"instruction": f"Tell me of thing {doc}.", "output": text, "generator": "ours"}
        for doc in range(DOCS)
        for text in answers(doc, seed, bad)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("made_by", [of_lm_eval, of_a_server, of_alpaca])
def test_prompts_and_repeats_are_told_by_the_dump(made_by: Any, tmp_path: Path) -> None:
    def written(name: str, bad: int = 0) -> Path:
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in made_by(name, bad)), encoding="utf-8")
        return path

    snapshot = take_snapshot(written("good"))
    assert snapshot.drawn == DOCS * REPEATS  # a text of two filters is one sample
    assert len(set(snapshot.samples.prompts)) == DOCS
    assert len(snapshot.within.diversity) == DOCS * REPEATS // 2
    snapshot.save(tmp_path / "s.json")

    def checked(path: Path) -> Check:
        return check(path, snapshot=tmp_path / "s.json")

    good = checked(written("as-good"))
    assert (good.verdict, good.by) == ("pass", "prompt")
    one = checked(written("one", bad=1))
    assert one.verdict == "fail"
    assert [(each.bad_now, each.now) for each in one.prompts] == [(REPEATS, REPEATS)]
