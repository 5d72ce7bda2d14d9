"""The objects of harnesses and servers: which samples each holds, of which steps and prompts."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coherence.readers.format import USUAL, Fields
from coherence.readers.lines import Part, Problems
from coherence.readers.objects.messages import is_own
from coherence.readers.objects.names import SEVERAL, TEXT
from coherence.readers.objects.rows import losses_of, samples_of, to_sample
from coherence.readers.objects.shapes import KEYS, SHAPES, shape_of
from coherence.readers.objects.unfold import at, unfold
from coherence.readers.read import Piece, losses_in, read_pieces, samples_in, take_notes
from coherence.readers.recognise import format_of
from coherence.readers.records import Sample

MILL, CAT = "The mill stood still all winter.", "A cat slept on the oven."


def samples(*rows: Any, path: str = "rows.jsonl", fields: Fields = USUAL) -> list[Sample]:
    problems = Problems()
    found = list(samples_of(enumerate(rows, start=1), path, problems, fields))
    assert problems.count == 0, problems.listed
    return found


def seen(found: list[Sample]) -> list[tuple[int | None, str, str | None]]:
    return [(sample.step, sample.text, sample.prompt) for sample in found]


def message(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def completion(*texts: str, ended: str = "stop", **more: Any) -> dict[str, Any]:
    choices = [
        {"index": place, "message": message(text), "logprobs": None, "finish_reason": ended}
        for place, text in enumerate(texts)
    ]
    answer = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "tiny"}
    return {**answer, "choices": choices, "usage": {"total_tokens": 9}, **more}


ASKED = [{"role": "user", "content": "Go on."}]


def of_lm_eval(doc: int, *texts: Any, filter: str = "none", arguments: Any = None) -> dict[str, Any]:  # noqa: A002
    asked = {"gen_args_0": {"arg_0": f"Question {doc}?", "arg_1": {"until": ["\n"], "do_sample": False}}}
    return {
        "doc_id": doc,
        "doc": {"question": f"Question {doc}?"},
        "target": "18",
        "arguments": asked if arguments is None else arguments,
        "resps": [list(texts)],
        "filtered_resps": ["18"],
        "filter": filter,
        "metrics": ["exact_match"],
        "exact_match": 0.0,
    }


SHAPED: dict[str, tuple[list[dict[str, Any]], list[tuple[int | None, str, str | None]]]] = {
    "lm-evaluation-harness, two repeats": (
        [of_lm_eval(0, MILL, CAT), of_lm_eval(1, CAT, "18")],
        [(None, MILL, "Question 0?"), (None, CAT, "Question 0?"), (None, CAT, "Question 1?"),
         (None, "18", "Question 1?")],
    ),
    "lm-evaluation-harness, older": (
        [of_lm_eval(0, MILL, arguments=[["Go on.", {"until": ["\n"]}]])],
        [(None, MILL, "Go on.")],
    ),
    "lm-evaluation-harness, a chat as JSON": (
        [of_lm_eval(0, MILL, arguments={"gen_args_0": {"arg_0": [json.dumps(ASKED)], "arg_1": {}}})],
        [(None, MILL, "Go on.")],
    ),
    "inspect-ai": (
        [
            {"id": 1, "epoch": 1, "input": "Go on.", "target": "x", "messages": [*ASKED, message(MILL)],
             "output": {"model": "m", "choices": [{"message": message(MILL), "stop_reason": "stop"}]}},
            {"id": 1, "epoch": 2, "input": ASKED, "target": "x", "messages": [*ASKED, message(CAT)],
             "output": {"model": "m", "choices": [{"message": message(CAT), "stop_reason": "max_tokens"}]}},
        ],
        [(None, MILL, "Go on."), (None, CAT, "Go on.")],
    ),
    "chat completions, with what was asked beside them": (
        [completion(MILL, CAT, request={"model": "tiny", "messages": ASKED}, step=7), completion(CAT)],
        [(7, MILL, "Go on."), (7, CAT, "Go on."), (None, CAT, None)],
    ),
    "text completions": (
        [{"object": "text_completion", "prompt": "Go on.", "choices": [{"text": MILL, "index": 0}]}],
        [(None, MILL, "Go on.")],
    ),
    "a batch's output": (
        [{"id": "b1", "custom_id": "1", "error": None,
          "response": {"status_code": 200, "request_id": "r", "body": completion(MILL)}}],
        [(None, MILL, None)],
    ),
    "LiteLLM": (
        [{"messages": ASKED, "response": completion(MILL), "model": "tiny"},
         {"request": {"messages": ASKED}, "response": completion(CAT)}],
        [(None, MILL, "Go on."), (None, CAT, "Go on.")],
    ),
    "MT-bench": (
        [{"question_id": 81, "answer_id": "a", "model_id": "tiny", "tstamp": 1.7e9,
          "choices": [{"index": 0, "turns": [MILL, CAT]}]}],
        [(None, MILL, None), (None, CAT, None)],
    ),
    "OpenAI evals": (
        [
            {"spec": {"completion_fns": ["tiny"], "eval_name": "e", "run_id": "r"}},
            {"run_id": "r", "event_id": 0, "sample_id": "s.1", "type": "sampling",
             "data": {"prompt": ASKED, "sampled": [MILL]}},
            {"run_id": "r", "event_id": 1, "sample_id": "s.1", "type": "match", "data": {"correct": False}},
            {"run_id": "r", "event_id": 2, "sample_id": "s.2", "type": "sampling",
             "data": {"prompt": "Go on.", "sampled": CAT}},
            {"final_report": {"accuracy": 0.5}},
        ],
        [(None, MILL, "Go on."), (None, CAT, "Go on.")],
    ),
    "promptfoo": (
        [{"prompt": {"raw": "Go on.", "label": "p"}, "promptIdx": 0, "testIdx": 0, "vars": {},
          "response": {"output": MILL, "finishReason": "stop", "cached": False}, "score": 1}],
        [(None, MILL, "Go on.")],
    ),
    "AlpacaEval": (
        [{"instruction": "Go on.", "output": MILL, "generator": "tiny", "dataset": "d"},
         {"instruction": "Translate.", "input": "Katze", "output": CAT},
         {"instruction": "Go on.", "input": "", "output": CAT}],
        [(None, MILL, "Go on."), (None, CAT, "Translate.\nKatze"), (None, CAT, "Go on.")],
    ),
    "AlpacaEval, a comparison": (
        [{"instruction": "Go on.", "output_1": CAT, "generator_1": "gpt4", "output_2": MILL,
          "generator_2": "tiny", "annotator": "a", "preference": 1.0}],
        [(None, MILL, "Go on.")],
    ),
    "Alpaca's rows, with a reference": (
        [{"instruction": "Go on.", "input": "", "output": CAT, "response": MILL},
         {"instruction": "Go on.", "output": CAT, "prediction": MILL},
         {"instruction": "Go on.", "output": MILL, "response": CAT},
         {"instruction": "Go on.", "input": "", "output": MILL, "generator": "tiny", "response": CAT}],
        [(None, MILL, "Go on.")] * 4,
    ),
    "ShareGPT, with a reference": (
        [{"conversations": [{"from": "human", "value": "Go on."}, {"from": "gpt", "value": CAT}],
          "outputs": [MILL, MILL]},
         {"conversations": [{"from": "human", "value": "Go on."}, {"from": "gpt", "value": CAT}],
          "model_output": MILL}],
        [(None, MILL, "Go on.")] * 3,
    ),
    "RULER, LongBench": (
        [{"index": 0, "input": "Go on.", "outputs": [CAT], "pred": MILL, "others": {}, "length": 9},
         {"pred": MILL, "answers": [CAT], "all_classes": None, "length": 9}],
        [(None, MILL, "Go on."), (None, MILL, None)],
    ),
    "ShareGPT": (
        [{"id": "1", "conversations": [{"from": "human", "value": "Go on."}, {"from": "gpt", "value": MILL}]},
         {"conversation": [{"from": "human", "value": "Go on."}, {"from": "gpt", "value": CAT}]}],
        [(None, MILL, "Go on."), (None, CAT, "Go on.")],
    ),
    "Gemini": (
        [{"candidates": [{"content": {"role": "model", "parts": [{"text": MILL}]}, "finishReason": "STOP"}]}],
        [(None, MILL, None)],
    ),
    "OpenAI responses": (
        [{"object": "response", "status": "completed", "output": [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": MILL}]}]}],
        [(None, MILL, None)],
    ),
    "Anthropic, and a batch of it": (
        [{"type": "message", "role": "assistant", "content": [{"type": "text", "text": MILL}]},
         {"custom_id": "1", "result": {"type": "succeeded", "message": message(CAT)}}],
        [(None, MILL, None), (None, CAT, None)],
    ),
    "Ollama": (
        [{"model": "tiny", "message": message(MILL), "done": True, "done_reason": "stop"},
         {"model": "tiny", "response": CAT, "done": True}],
        [(None, MILL, None), (None, CAT, None)],
    ),
    "SGLang": (
        [{"text": MILL, "meta_info": {"id": "x", "finish_reason": {"type": "length", "length": 9}}}],
        [(None, MILL, None)],
    ),
    "verl, rollouts and a table of validations": (
        [{"input": "Go on.", "output": MILL, "gts": "18", "score": 0.0, "step": 5, "reward": 0.0},
         {"step": 10, "input_1": "Go on.", "output_1": MILL, "score_1": 1.0,
          "input_2": "Why?", "output_2": CAT, "score_2": 0.0}],
        [(5, MILL, "Go on."), (10, MILL, "Go on."), (10, CAT, "Why?")],
    ),
    "OpenRLHF, slime, prime-rl": (
        [{"input": "Go on.", "output": MILL, "reward": 0.5},
         {"prompt": ASKED, "response": CAT, "index": 3, "reward": 1.0, "status": "truncated"},
         {"step": 4, "example_id": 1, "prompt": ASKED, "completion": [message(MILL)], "reward": 1.0}],
        [(None, MILL, "Go on."), (None, CAT, "Go on."), (4, MILL, "Go on.")],
    ),
    "lists of responses": (
        [{"step": 5, "prompt": "Go on.", "responses": [MILL, CAT]},
         {"step": 6, "messages": ASKED, "completions": [[message(MILL)], [message(CAT)]]},
         {"step": 7, "prompts": ["Go on.", "Why?"], "completions": [{"text": MILL}, {"text": CAT}]},
         {"step": 8, "responses": [{"message": message(MILL)}, message(CAT)], "output": None},
         {"step": 9, "prompt": ["Go on.", "Why?"], "generations": [[MILL, CAT], [CAT]]}],
        [(5, MILL, "Go on."), (5, CAT, "Go on."), (6, MILL, "Go on."), (6, CAT, "Go on."),
         (7, MILL, "Go on."), (7, CAT, "Why?"), (8, MILL, None), (8, CAT, None),
         (9, MILL, "Go on."), (9, CAT, "Go on."), (9, CAT, "Why?")],
    ),
    "vLLM": (
        [{"request_id": "0", "prompt": "Go on.", "outputs": [{"index": 0, "text": MILL, "token_ids": [1]}]}],
        [(None, MILL, "Go on.")],
    ),
    "answers of a server that a script stored under its own key": (
        [{"step": 5, "prompt": "Go on.", key: completion(MILL)}
         for key in ("completion", "output", "generation", "answer", "raw_response")],
        [(5, MILL, "Go on.")] * 5,
    ),
    "llama.cpp": (
        [{"content": MILL, "prompt": "Go on.", "stop": True, "tokens_predicted": 8, "model": "tiny"}],
        [(None, MILL, "Go on.")],
    ),
    "lighteval": (
        [{"doc": {"query": "Go on.", "choices": []}, "metric": {"em": 0},
          "model_response": {"input": "Go on.", "text": [MILL, CAT], "logprobs": []}}],
        [(None, MILL, "Go on."), (None, CAT, "Go on.")],
    ),
    "OpenCompass": (
        [{"0": {"origin_prompt": [{"role": "HUMAN", "prompt": "Go on."}], "prediction": MILL, "gold": "x"},
          "1": {"origin_prompt": "Why?", "prediction": [CAT, MILL]}}],
        [(None, MILL, "Go on."), (None, CAT, "Why?"), (None, MILL, "Why?")],
    ),
    "OpenAI responses with reasoning and calls": (
        [{"object": "response", "output": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": CAT}]},
            {"type": "function_call", "name": "weather", "arguments": "{}", "call_id": "c"}]},
         {"object": "response", "output": [
            {"type": "reasoning", "summary": []}, {"type": "message", **message(MILL)}]}],
        [(None, f"{CAT}\nweather {{}}", None), (None, MILL, None)],
    ),
    "conversations with roles": (
        [{"conversations": [*ASKED, message(MILL)]}, {"conversation": [*ASKED, message(CAT)]}],
        [(None, MILL, "Go on."), (None, CAT, "Go on.")],
    ),
    "turns that are objects": (
        [{"question_id": "a", "choices": [{"index": 0, "turns": [{"content": MILL, "token_len": 9}]}]}],
        [(None, MILL, None)],
    ),
    "a batch of Vertex AI": (
        [{"status": "", "request": {"contents": [{"role": "user", "parts": [{"text": "Go on."}]}]},
          "response": {"candidates": [{"content": {"role": "model", "parts": [{"text": MILL}]}}]}}],
        [(None, MILL, "Go on.")],
    ),
    "pandas, by rows and by columns": (
        [{"0": {"step": 5, "text": MILL}, "1": {"step": 6, "text": CAT}},
         {"step": {"0": 7, "2": 8}, "text": {"0": MILL, "2": CAT}, "prompt": {"0": "Why?", "2": None}}],
        [(5, MILL, None), (6, CAT, None), (7, MILL, "Why?"), (8, CAT, None)],
    ),
    "roles of other names": (
        [{"step": 1, "messages": [{"role": "user", "content": "Go on."}, {"role": role, "content": MILL}]}
         for role in ("model", "bot", "assistant", "gpt", "ai", "Assistant", "chatgpt")],
        [(1, MILL, "Go on.")] * 7,
    ),
}  # fmt: skip


STREAMED: list[dict[str, Any]] = [
    {"model": "tiny", "created_at": "t", "response": "The ", "done": False},
    {"model": "tiny", "created_at": "t", "message": message("mill"), "done": False},
    {"model": "tiny", "created_at": "t", "response": "", "done": True, "eval_count": 2},
]


@pytest.mark.parametrize("name", SHAPED)
def test_what_a_harness_or_a_server_writes_is_read_as_its_samples(name: str) -> None:
    rows, right = SHAPED[name]
    assert seen([sample for row in rows for sample in samples(row)]) == right


@pytest.mark.parametrize("name", SHAPED)
def test_the_same_rows_as_a_file_of_lines_and_as_a_document_hold_the_same_samples(
    name: str, tmp_path: Path
) -> None:
    rows, _ = SHAPED[name]
    lines, document = tmp_path / "a.jsonl", tmp_path / "a.json"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    document.write_text(json.dumps(rows, indent=2))
    found = []
    for path in (lines, document):
        piece, problems = Piece(Part(str(path)), format_of(str(path)).key), Problems()
        found.append(seen(list(samples_in(piece, problems))))
        assert not list(losses_in(piece, Problems()))
    assert found[0] == found[1]
    assert found[0]


@pytest.mark.parametrize("row", [SHAPED["text completions"][0][0], completion(MILL)])
def test_a_single_answer_over_several_lines_is_one_row(row: dict[str, Any], tmp_path: Path) -> None:
    for indent in (None, 2):
        path = tmp_path / "answer.json"
        path.write_text(json.dumps(row, indent=indent))
        piece = Piece(Part(str(path)), format_of(str(path)).key)
        assert seen(list(samples_in(piece, Problems()))) == seen(samples(row))


def test_every_shape_has_an_example_of_it() -> None:
    """A shape is found by itself or inside another: each is met while the examples are unfolded."""
    met = set()
    for rows in (*(rows for rows, _ in SHAPED.values()), STREAMED):
        inside: list[Any] = list(rows)
        while inside:
            row = inside.pop()
            if (shape := shape_of(row)) is not None:
                met.add(shape.name)
                inside += shape.rows(row)
    assert {shape.name for shape in SHAPES} == met


# References


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        ({"prompt": "Go on.", "response": CAT, "model_output": MILL}, [MILL]),
        ({"prompt": "Go on.", "completion": CAT, "model_completion": MILL}, [MILL]),
        ({"instruction": "Go on.", "output": CAT, "generated_output": MILL}, [MILL]),
        ({"prompt": "Go on.", "completion": CAT, "model_outputs": [MILL, MILL]}, [MILL, MILL]),
        ({"question": "Go on.", "prediction": "72", "model_output": MILL}, [MILL]),
        ({"messages": [*ASKED, message(CAT)], "model_answer": MILL}, [MILL]),
        ({"prompt": "Go on.", "Output": CAT, "Model Output": MILL}, [MILL]),
        # what a script took out of the text, and what is no text
        ({"input": "Go on.", "output": MILL, "score": 1.0, "pred": "72"}, [MILL]),
        ({"prompt": "Go on.", "responses": [MILL, CAT], "pred": "72"}, [MILL, CAT]),
        ({"prompt": "Go on.", "response": MILL, "model_answer": "72"}, [MILL]),
        ({"prompt": "Go on.", "completion": MILL, "generated": "1"}, [MILL]),
        ({"prompt": "Go on.", "text": MILL, "model_output": 0.5}, [MILL]),
        ({"prompt": "Go on.", "text": MILL, "model_output": None}, [MILL]),
        ({"prompt": "Go on.", "text": MILL, "model_output": [1, 2]}, [MILL]),
        ({"prompt": "Go on.", "text": MILL, "model_output": {"logits": 1}}, [MILL]),
        ({"conversations": [{"from": "human", "value": "Go on."}, {"from": "gpt", "value": MILL}],
          "outputs": [0.5], "samples": 3}, [MILL]),
    ],
)  # fmt: skip
def test_what_a_key_says_to_be_of_the_model_counts_and_not_the_reference_next_to_it(
    row: dict[str, Any], texts: list[str]
) -> None:
    assert seen(samples(row)) == [(None, text, "Go on.") for text in texts]


# What is left out


def test_of_the_rows_of_several_filters_those_of_the_first_count() -> None:
    filters = "strict-match", "flexible-extract"
    rows = [of_lm_eval(doc, MILL, filter=each) for each in filters for doc in range(3)]
    assert [sample.line for sample in samples(*rows)] == [1, 2, 3]


def test_a_part_of_a_file_knows_the_filter_that_the_file_has_first(tmp_path: Path) -> None:
    path = tmp_path / "samples_gsm8k.jsonl"
    rows = [of_lm_eval(doc, MILL, filter=each) for each in ("strict", "loose") for doc in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    cut = format_of(str(path)).cut
    assert cut is not None
    pieces = [Piece(part, "jsonl") for part in cut.parts(str(path), path.stat().st_size // 3)]
    assert len(pieces) > 2
    assert sum(1 for piece in pieces for _ in samples_in(piece, Problems())) == 20


MULTIPLE_CHOICE = [
    [["-9.31", "False"]],
    [[-9.31, False]],
    ["-123.4"],
    [-123.4],
]


@pytest.mark.parametrize("answers", MULTIPLE_CHOICE)
def test_figures_of_multiple_choice_are_no_samples_and_counted(answers: list[Any]) -> None:
    rows = [of_lm_eval(0, *answers, arguments={"gen_args_0": {"arg_0": "Which?", "arg_1": " this"}})] * 2
    problems = Problems()
    assert not list(samples_of(enumerate(rows, start=1), "samples_arc.jsonl", problems))
    assert problems.listed[0].message == "multiple choice: figures and no text"
    assert take_notes(problems) == ["2 rows were skipped: multiple choice: figures and no text"]
    mixed = Problems()
    assert len(list(samples_of(enumerate([*rows, of_lm_eval(1, MILL)], start=1), "s.jsonl", mixed))) == 1
    assert mixed.count == 0


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Which?", "choices": ["this", "that"], "answer": 1, "step": 1, "text": "That."},
        {"question": "Which?", "choices": [{"text": "this", "label": "A"}], "step": 1, "text": "That."},
        {"step": 1, "text": "That.", "message": {"content": "no"}, "response": None, "result": "won"},
        {"step": 1, "text": "That.", "candidates": 3, "spec": {}, "conversations": [], "output": ["x"]},
        {"step": 1, "text": "That.", "role": "assistant", "content": "other", "resps": None},
    ],
)
def test_an_ordinary_row_with_a_key_of_a_shape_stays_one(row: dict[str, Any]) -> None:
    assert seen(samples(row))[0][:2] == (1, "That.")


def test_chunks_of_a_stream_and_messages_of_users_are_no_samples() -> None:
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "The"}}]}
    assert seen(samples(chunk, completion(MILL))) == [(None, MILL, None)]
    whole = {"response": MILL, "created_at": "t", "done": True}
    assert seen(samples(*STREAMED, whole)) == [(None, MILL, None)]
    assert seen(samples({"step": 5, "response": MILL, "done": False})) == [(5, MILL, None)]  # of an episode
    assert seen(samples(*ASKED, message(MILL))) == [(None, MILL, None)]


def test_a_text_of_a_user_is_no_sample_unless_it_answers_a_prompt() -> None:
    rows = [{"step": 5, "role": role, "text": CAT} for role in ("user", "System", "tool")]
    assert seen(samples(*rows, {"step": 5, "role": "assistant", "text": MILL})) == [(5, MILL, None)]
    kept: list[dict[str, Any]] = [
        {"role": "pirate", "text": MILL},
        {"role": "user", "prompt": "Go on.", "text": MILL},
        {"role": "user", "response": MILL},
        {"role": 3, "text": MILL},
    ]
    assert [sample.text for sample in samples(*kept)] == [MILL] * 4


def test_of_outputs_that_were_compared_none_is_read_if_it_is_not_said_whose_they_are() -> None:
    compared = {"instruction": "Go on.", "output_1": CAT, "output_2": MILL, "preference": 2}
    assert not samples(compared, completion(MILL))[1:]
    problems = Problems()
    assert not list(samples_of([(1, compared)], "a.json", problems))
    assert take_notes(problems) == [
        "1 row was skipped: two outputs that were compared, and neither is said to be the model's"
    ]
    table = {"step": 5, "output_1": MILL, "output_2": CAT}
    assert seen(samples(table)) == [(5, MILL, None), (5, CAT, None)]


def test_a_conversation_beside_a_text_is_not_the_text() -> None:
    row = {"step": 5, "conversation": [*ASKED, message(CAT)], "response": MILL}
    assert seen(samples(row)) == [(5, MILL, None)]


def test_a_sample_of_inspect_ai_that_ended_in_an_error_is_counted() -> None:
    failed = {"id": 1, "epoch": 1, "input": "Go on.", "output": {"model": "m", "choices": []}, "error": {}}
    problems = Problems()
    assert not list(samples_of([(1, failed)], "a.json", problems))
    assert take_notes(problems) == ["1 row was skipped: no answer, but an error"]


# Why a text ended


@pytest.mark.parametrize(
    ("row", "ended"),
    [
        (completion(MILL, ended="length"), "length"),
        ({"text": MILL, "finish_reason": "stop"}, "stop"),
        ({"text": MILL, "stop_reason": "max_tokens"}, "max_tokens"),
        ({"completions": [MILL], "finish_reasons": ["length"]}, "length"),
        (SHAPED["SGLang"][0][0], "length"),
        (SHAPED["promptfoo"][0][0], "stop"),
        ({"text": MILL}, None),
        ({"text": MILL, "finish_reason": 7}, None),
    ],
)
def test_why_a_server_ended_a_text_is_kept(row: dict[str, Any], ended: str | None) -> None:
    assert [sample.finish_reason for sample in samples(row)] == [ended]


def test_how_many_were_cut_off_is_a_note(tmp_path: Path) -> None:
    path, problems = tmp_path / "a.jsonl", Problems()
    ends = ["length", "stop", "length", "repetition", "MAX_TOKENS"]
    path.write_text("".join(json.dumps(completion(MILL, ended=end)) + "\n" for end in ends))
    assert len(list(read_pieces([Piece(Part(str(path)), "jsonl")], [problems]))) == 5
    assert take_notes(problems) == [
        "3 of 5 samples were cut off at the longest allowed (finish_reason length)",
        "1 of 5 samples was cut off because they repeat themselves (finish_reason repetition)",
    ]


# Steps


@pytest.mark.parametrize(
    ("row", "step"),
    [
        ({"_step": 7}, 7),
        ({"Step": 7}, 7),
        ({"global_step/max_steps": "10/438"}, 10),
        ({"step": "1,000"}, 1000),
        ({"checkpoint": "checkpoint-500"}, 500),
        ({"checkpoint": "out/run/checkpoint-500/"}, 500),
        ({"checkpoint": "out/final", "epoch": 3}, 3),
        ({"checkpoint": "out/final"}, None),
        ({"step": None, "global_step": 7}, 7),
        ({"step": 7, "global_step": None}, 7),
        ({"epoch": 1, "step": 0, "global_step": 110}, 110),
        ({"iter": 880, "optimizer_step": 110}, 110),
        ({"step": 880, "num_updates": 110}, 110),
        ({"step": 7, "checkpoint_step": 5000, "policy_step": 6}, 7),
        ({"checkpoint_step": 5000, "epoch": 2}, 5000),
        ({"ckpt_step": "5000"}, 5000),
        ({"trainer_step": 7, "policy_step": 6}, 7),
        ({"epoch": 0.5}, None),
        ({"epoch": "1.0"}, None),
        ({"epoch": "2"}, 2),
    ],
)
def test_a_step_is_read_however_it_is_written(row: dict[str, Any], step: int | None) -> None:
    assert samples({**row, "text": MILL})[0].step == step
    if step is not None:
        assert [each.step for each in losses_of([(1, {**row, "loss": 2.5})], "a.jsonl", Problems())] == [step]


@pytest.mark.parametrize(
    ("rows", "steps", "noted"),
    [
        ([{"epoch": 0.5, "loss": 4.0}, {"epoch": 1, "eval_loss": 9.0}, {"epoch": 1.0, "loss": 2}], [1, 2], 1),
        ([{"epoch": "10.0", "loss": 4.0}, {"epoch": "10.5", "loss": 2.0}], [10, 11], 1),
        ([{"loss": [4.0, 2.0], "val_loss": [5.0, 3.0]}], [0, 1], 1),
        ([{"epoch": 1.0, "loss": 4.0}, {"epoch": 2.0, "loss": "2,0"}], [1, 2], 0),
        ([{"epoch": 0.5, "step": 7, "loss": "4,0"}, {"epoch": 1.0, "step": 9, "loss": 2}], [7, 9], 0),
        ([{"step": 5, "loss": "4"}, {"train_runtime": 3.0, "train_loss": 3.0, "epoch": 0.5}], [5], 0),
    ],
)
def test_losses_without_whole_steps_are_numbered_and_a_note_says_so(
    rows: list[dict[str, Any]], steps: list[int], noted: int
) -> None:
    problems = Problems()
    found = list(losses_of(enumerate(rows, start=1), "rows.jsonl", problems))
    assert [(row.step, row.loss) for row in found] == list(zip(steps, (4.0, 2.0), strict=False))
    assert len(problems.remarks) == noted
    assert problems.count == 0


def test_losses_under_other_spellings_are_read() -> None:
    rows: list[dict[str, Any]] = [
        {"Training Loss": 2.5, "Step": 10},
        {"Loss": "2.25", "global_step/max_steps": "20/438"},
    ]
    rows += [
        *({"_step": 21, "lm loss": 2.25}, {"_step": 22, "reduced_train_loss": 2.25}),
        *({"step": 23, "train/CrossEntropyLoss": 2.25}, {"step": 24, "loss/train/total": 2.25}),
        {"step": 25, "loss_metrics/global_avg_loss": 2.25, "loss_metrics/global_max_loss": 9.0},
    ]
    rows += [{"Training Loss": "No log", "Step": 5}, {"loss": 2.0, "step": None, "_step": 30}]
    problems = Problems()
    found = list(losses_of(enumerate(rows, start=1), "a.jsonl", problems))
    assert [(row.step, row.loss) for row in found] == [
        (10, 2.5),
        *((step, 2.25) for step in range(20, 26)),
        (30, 2.0),
    ]
    assert problems.count == 0


@pytest.mark.parametrize("key", ["split", "phase", "mode", "type", "event"])
def test_a_loss_of_a_row_that_is_of_validation_is_not_read(key: str) -> None:
    rows = [{"step": 1, key: each, "loss": 2.5} for each in ("train", "val", "eval", "Test", "validation")]
    problems = Problems()
    found = list(losses_of(enumerate(rows, start=1), "a.jsonl", problems))
    assert [row.line for row in found] == [1]
    assert problems.count == 0


OF_VALIDATION: list[dict[str, Any]] = [
    *({"type": each} for each in ("eval_step", "Evaluation", "evalStep", "VAL")),
    {"event": "on_validation_epoch_end"},
    *({"split": each} for each in ("val_set", "heldout", "held-out", "dev-clean", "test.0")),
    {"prefix": "eval"},
    {"prefix": "eval/"},
    {"data": "val"},
    {"name": "test"},
    *({"is_eval": each} for each in (1, True, "true", "1.0")),
    {"eval_runtime": 1.2},
    {"eval_runtime": 1.2, "eval_loss": None},
    {"mode": "online", "phase": "val"},
]
OF_TRAINING: list[dict[str, Any]] = [
    *({"type": each} for each in ("train", "step", "contest", "evaluated", "train_val", "text")),
    {"name": "my-test-run"},
    {"name": "test_2"},
    {"dataset": "dev-documents"},
    {"prefix": "The test was"},
    {"event": "step done, the next eval is soon"},
    {"dataset": "train", "name": "test"},
    {"data": {"split": "val"}},
    {"split": "train", "event": "eval_step"},
    {"split": None, "is_eval": False, "is_test": 0},
    {"eval_runtime": 1.2, "eval_loss": 9.0},
    {"eval_runtime": None},
]


@pytest.mark.parametrize(
    ("beside", "loss"), [*((each, None) for each in OF_VALIDATION), *((each, 2.5) for each in OF_TRAINING)]
)
def test_what_a_row_says_of_itself_decides_whether_its_loss_is_of_the_training(
    beside: dict[str, Any], loss: float | None
) -> None:
    row, problems = {"step": 50, "loss": 2.5, **beside}, Problems()
    found = [each.loss for each in losses_of([(1, row)], "a.jsonl", problems)]
    assert (found, problems.count) == ([] if loss is None else [loss], 0)
    assert [each.loss for each in samples({**row, "text": MILL})] == [loss]


# What a person names


@pytest.mark.parametrize(
    ("value", "path", "found"),
    [
        ({"a": {"b": 1}}, "a.b", [1]),
        ({"a.b": 1, "a": {"b": 2}}, "a.b", [1]),
        (
            {"choices": [{"message": {"content": "x"}}, {"message": {}}, 3]},
            "choices[*].message.content",
            ["x"],
        ),
        ({"a": [[1, 2], [3]]}, "a[*][*]", [1, 2, 3]),
        ({"a": [4, 5]}, "a[1]", [5]),
        ({"a": [4, 5]}, "a[9]", []),
        ({"a": None}, "a", []),
        ({"a": 1}, "b", []),
        ({"a": 1}, "", []),
        ({}, "a[*].b", []),
        ("text", "a", []),
    ],
)
def test_a_path_leads_to_what_stands_there_and_to_nothing_else(
    value: Any, path: str, found: list[Any]
) -> None:
    assert at(value, path) == found if path else at(value, path) in ([], [value])


def test_texts_and_steps_that_are_named_belong_together_one_by_one() -> None:
    row = {"log": {"at": [10, 20], "said": [MILL, CAT]}, "q": "Go on."}
    fields = Fields(text="log.said[*]", step="log.at[*]", prompt="q")
    assert seen(samples(row, fields=fields)) == [(10, MILL, "Go on."), (20, CAT, "Go on.")]


def test_a_message_that_is_named_is_the_text() -> None:
    found = samples(completion(MILL, CAT), fields=Fields(text="choices[*].message"))
    assert [sample.text for sample in found] == [MILL, CAT]


def test_where_nothing_stands_at_the_place_that_is_named_the_usual_names_do_not_count() -> None:
    row = {"step": 5, "text": MILL, "mine": CAT}
    assert seen(samples(row, fields=Fields(text="mine", step="other"))) == [(None, CAT, None)]
    problems = Problems()
    assert not list(samples_of([(1, row)], "a.jsonl", problems, Fields(text="other")))
    assert problems.count == 1


# Anything


NAMES = st.sampled_from(
    sorted({*KEYS, *SEVERAL, *TEXT, "prompt", "content", "message", "role", "from", "value", "turns", "body"})
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@given(st.dictionaries(NAMES, JSON, max_size=5))
def test_whatever_an_object_holds_it_becomes_rows_that_are_samples_or_problems(row: dict[str, Any]) -> None:
    problems = Problems()
    for sample in samples_of([(1, row)], "a.jsonl", problems):
        assert isinstance(sample.text, str)
    list(losses_of([(1, row)], "a.jsonl", problems))
    assert all(isinstance(each, dict) for each in unfold(row))


def test_objects_inside_objects_end_somewhere() -> None:
    row: dict[str, Any] = {"text": MILL}
    for _ in range(5000):
        row = {"response": row}
    assert len(list(unfold(row))) == 1


def test_a_plain_row_is_passed_on_as_it_is() -> None:
    row = {"step": 1, "text": MILL}
    assert list(unfold(row)) == [row]
    assert to_sample(row, "a", 1).text == MILL
    assert is_own(message(MILL))
