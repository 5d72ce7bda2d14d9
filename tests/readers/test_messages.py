"""What the model wrote in a chat: its content, its reasoning and the tools it calls."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coherence.readers.format import USUAL
from coherence.readers.formats import jsonl
from coherence.readers.lines import Part, Problems, Tally
from coherence.readers.objects.messages import prompt_of, written
from coherence.readers.objects.rows import TOOL_CALLS, samples_of
from coherence.readers.records import Sample

pytestmark = pytest.mark.once

THOUGHT, SAID = "It rains, so the road is wet.", "Drive slowly."
ARGUMENTS = '{"city": "Paris", "day": 1}'
FUNCTION = {"name": "weather", "arguments": ARGUMENTS}
CALLED = f"weather {ARGUMENTS}"


def samples(*rows: dict[str, Any]) -> tuple[list[Sample], Problems]:
    problems = Problems()
    return list(samples_of(enumerate(rows, 1), "samples.jsonl", problems, USUAL)), problems


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        # nothing
        ({}, ""),
        ({"content": None}, ""),
        ({"content": "", "reasoning_content": None, "tool_calls": []}, ""),
        # reasoning beside the content, or instead of it
        ({"content": "", "reasoning_content": THOUGHT}, THOUGHT),
        ({"content": None, "reasoning": THOUGHT}, THOUGHT),
        ({"thinking": THOUGHT, "content": SAID}, f"{THOUGHT}\n{SAID}"),
        # under two names, or in the content as well: once
        ({"reasoning": THOUGHT, "reasoning_content": THOUGHT, "content": SAID}, f"{THOUGHT}\n{SAID}"),
        (
            {"reasoning": THOUGHT, "content": f"<think>{THOUGHT}</think>{SAID}"},
            f"<think>{THOUGHT}</think>{SAID}",
        ),
        # in parts
        (
            {"content": [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": SAID}]},
            f"{THOUGHT}\n{SAID}",
        ),
        ({"content": [{"type": "reasoning", "summary": [{"text": THOUGHT}]}]}, THOUGHT),
        (
            {"content": SAID, "reasoning": [{"type": "text", "text": THOUGHT}, " Yes."]},
            f"{THOUGHT} Yes.\n{SAID}",
        ),
        ({"content": SAID, "reasoning": {"content": THOUGHT}}, f"{THOUGHT}\n{SAID}"),
        # in blocks, alone or in addition
        ({"content": "", "thinking_blocks": [{"type": "thinking", "thinking": THOUGHT}]}, THOUGHT),
        ({"content": SAID, "reasoning_details": [{"text": THOUGHT}]}, f"{THOUGHT}\n{SAID}"),
        (
            {"content": SAID, "reasoning": THOUGHT, "reasoning_details": [{"text": THOUGHT}, {"data": "x"}]},
            f"{THOUGHT}\n{SAID}",
        ),
        # an answer in an object, a refusal
        ({"content": {"answer": SAID}}, SAID),
        ({"content": None, "refusal": SAID}, SAID),
        ({"content": SAID, "refusal": None}, SAID),
        ({"content": [{"type": "refusal", "refusal": SAID}]}, SAID),
        # no text: switches and numbers
        ({"content": SAID, "thinking": True, "reasoning": 3}, SAID),
        # tools
        ({"content": None, "tool_calls": [{"type": "function", "function": FUNCTION}]}, CALLED),
        (
            {"content": None, "tool_calls": [{"function": FUNCTION}, {"function": FUNCTION}]},
            f"{CALLED}\n{CALLED}",
        ),
        ({"content": None, "function_call": FUNCTION}, CALLED),
        ({"content": "", "tool_calls": {"function": FUNCTION}}, CALLED),
        ({"tool_calls": [{"name": "weather", "arguments": json.loads(ARGUMENTS)}]}, CALLED),
        ({"content": [{"type": "tool_use", "name": "weather", "input": json.loads(ARGUMENTS)}]}, CALLED),
        ({"content": SAID, "tool_calls": [{"function": {"name": "wait"}}]}, f"{SAID}\nwait"),
        ({"tool_calls": [{"function": {"name": "say", "arguments": {"é": "東"}}}]}, 'say {"é": "東"}'),
        # nonsense
        ({"content": SAID, "tool_calls": "weather", "function_call": [1]}, SAID),
        ({"content": SAID, "tool_calls": [None, 3, {"function": 7}, {}]}, SAID),
        # all of it
        (
            {"reasoning_content": THOUGHT, "content": SAID, "tool_calls": [{"function": FUNCTION}]},
            f"{THOUGHT}\n{SAID}\n{CALLED}",
        ),
    ],
)
def test_reasoning_content_and_calls_are_what_the_model_wrote(message: dict[str, Any], expected: str) -> None:
    assert written(message) == expected
    row = {"step": 1, "completion": [{"role": "assistant", **message}]}
    (sample,), problems = samples(row)
    assert (sample.text, problems.count) == (expected, 0)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"completion": "", "reasoning": THOUGHT}, THOUGHT),
        ({"completion": None, "thinking": THOUGHT}, THOUGHT),
        ({"response": SAID, "reasoning_content": THOUGHT}, f"{THOUGHT}\n{SAID}"),
        ({"output": None, "tool_calls": [{"function": FUNCTION}]}, CALLED),
        # the reasoning of a data set, beside what the model wrote
        ({"output": SAID, "reasoning": THOUGHT}, SAID),
        ({"output": SAID, "tool_calls": [{"function": FUNCTION}]}, SAID),
        ({"output": "", "reasoning": ""}, ""),
        ({"output": "", "thinking": True}, ""),
    ],
)
def test_a_server_may_put_them_beside_the_text_of_the_row(row: dict[str, Any], expected: str) -> None:
    (sample,), problems = samples({"step": 1, **row})
    assert (sample.text, problems.count) == (expected, 0)


def test_columns_of_reasoning_are_read_row_by_row() -> None:
    found, _ = samples({"step": [1, 2], "completion": ["", SAID], "reasoning_content": [THOUGHT, None]})
    assert [sample.text for sample in found] == [THOUGHT, SAID]


def test_a_row_without_any_text_is_still_a_problem() -> None:
    found, problems = samples({"step": 1, "completion": None, "reasoning": None}, {"step": 2, "text": "a"})
    assert [sample.step for sample in found] == [2]
    assert "no text" in problems.listed[0].message


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        ({"tool_calls": [{"function": FUNCTION}]}, [CALLED]),
        ({"reasoning_content": THOUGHT}, [THOUGHT]),
        ({"tool_calls": None, "reasoning": "", "thinking": True}, []),
    ],
)
def test_a_row_that_calls_or_thinks_and_logs_its_loss_is_a_sample_and_no_row_of_losses(
    beside: dict[str, Any], expected: list[str]
) -> None:
    found, problems = samples({"step": 1, "loss": 2.0, **beside}, {"step": 2, "text": SAID})
    assert [sample.text for sample in found] == [*expected, SAID]
    assert problems.count == 0


def test_tool_calls_are_counted() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": FUNCTION}]}
    asked = {"role": "user", "content": "Will it rain?"}
    _, problems = samples(
        {"step": 1, "messages": [asked, {"role": "assistant", "content": SAID}]},
        {"step": 2, "messages": [asked, call]},
        {"step": 3, "completion": "", "function_call": FUNCTION},
        {"step": 4, "completion": [call, call]},
    )
    assert problems.tallies[TOOL_CALLS] == Tally(3, "samples.jsonl", 2)


def test_arguments_that_are_nested_too_deeply_cost_their_own_row(tmp_path: Path) -> None:
    nested = 900 * '{"a":' + "1" + 900 * "}"
    call = (
        f'[{{"role": "assistant", "tool_calls": [{{"function": {{"name": "f", "arguments": {nested}}}}}]}}]'
    )
    file = tmp_path / "samples.jsonl"
    file.write_text(
        f'{{"step": 1, "completion": {call}}}\n{{"step": 2, "completion": "a"}}\n', encoding="utf-8"
    )
    problems = Problems()
    found = list(jsonl.samples(Part(str(file)), problems))
    assert len(found) + problems.count == 2
    assert found[-1].step == 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "content",
                        "reasoning",
                        "thinking",
                        "tool_calls",
                        "function",
                        "name",
                        "arguments",
                        "type",
                        "text",
                    ]
                ),
                inner | st.just("tool_use"),
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_message_is_a_sample(value: Any) -> None:
    message = (
        {"role": "assistant", **value} if isinstance(value, dict) else {"role": "assistant", "content": value}
    )
    found, problems = samples({"step": 1, "completion": [message]})
    assert len(found) + problems.count == 1


def test_a_prompt_is_what_was_said_before_the_answer() -> None:
    chat = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    assert prompt_of(chat) == "Why?"
    assert prompt_of([*chat, {"role": "user", "content": "Oh?"}]) == "Why?\nSo.\nOh?"
    (sample,), _ = samples({"step": 1, "text": "<|user|>Why?<|assistant|>So.", "messages": chat})
    assert sample.prompt == "Why?"


CHAT = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": SAID}]


@pytest.mark.parametrize(
    "stored",
    [
        json.dumps(CHAT),
        str(CHAT),
        str(CHAT).replace("}, {", "}\n {"),  # an array of NumPy
    ],
)
def test_a_chat_that_a_table_stored_as_a_string_is_read_as_a_chat(stored: str) -> None:
    found, _ = samples({"step": 5, "completion": stored}, {"step": 5, "prompt": stored[:-1], "text": SAID})
    assert [(each.text, each.prompt) for each in found] == [(SAID, "Why?"), (SAID, stored[:-1])]


@pytest.mark.parametrize(
    "stored",
    [
        json.dumps([SAID, THOUGHT]),
        str([SAID, THOUGHT]),
        f"['{SAID}'\n '{THOUGHT}']",  # an array of NumPy
    ],
)
@pytest.mark.parametrize("name", ["completions", "responses", "outputs"])
def test_a_list_of_texts_that_a_table_stored_as_a_string_is_read_as_the_list(name: str, stored: str) -> None:
    found, _ = samples({"step": 5, name: stored, "prompts": "['Why?', 'Oh?']"})
    assert [(each.text, each.prompt) for each in found] == [(SAID, "Why?"), (THOUGHT, "Oh?")]


@pytest.mark.parametrize(
    "row",
    [
        *({"completions": each} for each in ("[1, 2]", "['a', 3]", "['a'] and more", "[]", "['a'", "[[]]")),
        *({name: '["red", "green"]'} for name in ("completion", "text")),  # the model may answer with a list
    ],
)
def test_a_text_that_is_not_a_list_of_texts_stays_a_text(row: dict[str, str]) -> None:
    found, _ = samples({"step": 5, **row})
    assert [each.text for each in found] == [*row.values()]


def test_an_escape_that_python_does_not_know_is_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    found, _ = samples({"step": 5, "text": r"[{'role': 'assistant', 'content': 'a \d b'}]"})
    assert [each.text for each in found] == [r"a \d b"]
    assert not recwarn.list


@pytest.mark.parametrize("text", ['[{"role": "user", "content": "Why?"}]', "[{'role': 5", '[{"role": 5}, 3]'])
def test_a_text_that_only_looks_like_a_chat_stays_a_text(text: str) -> None:
    found, _ = samples({"step": 5, "text": text})
    assert [(each.text, each.prompt) for each in found] == [(text, None)]


@pytest.mark.parametrize(
    "prompt",
    [
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<bos><start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n",
        "<s>[INST] Why? [/INST] ",
        "<|user|>\nWhy?</s>\n<|assistant|>\n",
        "<｜begin▁of▁sentence｜><｜User｜>Why?<｜Assistant｜>",
        "### Instruction:\nWhy?\n\n### Response:\n",
        "system\nBe kind.\nuser\nWhy?\nassistant\n",
        "user\nWhy?\nmodel\n",
        # with special tokens, also after others
        "<|endoftext|><|user|>\nWhy?\n<|assistant|>\n",
        "[gMASK]<sop><|user|>\nWhy?<|assistant|>\n",
        "<pad><pad><bos><start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n",
        "<｜begin▁of▁sentence｜>Be kind.<｜User｜>Why?<｜Assistant｜>",
        "<|start_of_role|>user<|end_of_role|>Why?<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>",
        "<|begin_of_text|><|header_start|>user<|header_end|>\n\nWhy?<|eot|>"
        "<|header_start|>assistant<|header_end|>\n\n",
        "<|im_user|>user<|im_middle|>Why?<|im_end|><|im_assistant|>assistant<|im_middle|>",
        "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|>Why?<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
        "<|start|>user<|message|>Why?<|end|><|start|>assistant<|channel|>final<|message|>",
        "<extra_id_0>System\n\n<extra_id_1>User\nWhy?\n<extra_id_1>Assistant\n",
        "<s>[SYSTEM_PROMPT]Be kind.[/SYSTEM_PROMPT][INST]Why?[/INST]",
        "[|user|]Why?\n[|assistant|]",
        # with the names of roles, also after a preamble
        "Human: Why?\n\nAssistant: ",
        "\n\nUser: Why?\nAssistant:",
        "USER: Why? ASSISTANT: ",
        "SYSTEM: Be kind. USER: Why? ASSISTANT: ",
        "### Question: Why?\n### Answer: ",
        "### System:\nBe kind.\n\n### User:\nWhy?\n\n### Assistant:\n",
        "Below is an instruction that describes a task, paired with an input. Write a response.\n\n"
        "### Instruction:\nWhy?\n\n### Input:\nRain.\n\n### Response:\n",
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful,"
        " detailed, and polite answers to the user's questions. USER: Why? ASSISTANT: ",
        "A conversation between User and Assistant. The Assistant solves. User: Why? Assistant: ",
        "You are an AI programming assistant.\n### Instruction:\nWhy?\n### Response:\n",
        "You are a helpful assistant.<｜User｜>Why?<｜Assistant｜>",
    ],
)
def test_what_a_chat_template_wrote_before_the_answer_is_the_prompt(prompt: str) -> None:
    row = {"step": 5, "text": prompt + SAID}
    found, _ = samples(row, {**row, "prompt": "Why?"})
    assert [each.prompt for each in found] == [prompt, "Why?"]


@pytest.mark.parametrize(
    "text",
    [
        *("The user asked.", "user\nand no answer", "<|im_start|>assistant\nSo.", "[INST] Why?"),
        *("Human: Why?", "Assistant: So.\n\nHuman: Why?", "Human beings talk.\nAssistant: So."),
        *("You are an assistant, and you can help.", "Below is an instruction that nobody followed."),
        *("### Question 3\nWhy?\n### Answer 3\nSo.", "System: none.\nAssistant: So."),
    ],
)
def test_a_text_without_both_ends_of_a_template_has_no_prompt(text: str) -> None:
    found, _ = samples({"step": 5, "text": text})
    assert [each.prompt for each in found] == [None]


@pytest.mark.parametrize(
    "chat",
    [
        "Human: Why?\n\nAssistant: So.",
        "USER: Why? ASSISTANT: So.",
        "### Instruction:\nWhy?\n\n### Response:\nSo.",
        "<｜User｜>Why?<｜Assistant｜>So.",
        "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nSo.",
    ],
)
@pytest.mark.parametrize("before", ["It rains.", "<s>It rains.", "<|endoftext|>You are a king.", SAID * 200])
def test_a_model_that_goes_on_with_a_chat_of_its_own_loses_no_text(before: str, chat: str) -> None:
    found, _ = samples({"step": 5, "text": f"{before}\n\n{chat}"})
    assert [each.prompt for each in found] == [None]


def test_of_several_turns_all_but_the_first_question_is_the_text() -> None:
    turns = "Human: Why?\n\nAssistant: So.\n\nHuman: Oh?\n\nAssistant: Yes."
    found, _ = samples({"step": 5, "text": turns})
    assert [each.prompt for each in found] == ["Human: Why?\n\nAssistant: "]


@pytest.mark.parametrize("name", ["query", "inputs", "full_prompt", "context"])
def test_a_prompt_under_a_name_of_a_server_or_a_trainer_is_one(name: str) -> None:
    row = {"step": 5, "generated_text": SAID}
    numbers = {"step": 5, "text": [SAID], name: [1, 2]}
    found, problems = samples({**row, name: "Why?"}, {**row, name: ["Why?"]}, numbers)
    assert [each.prompt for each in found] == ["Why?", None, None]
    assert problems.count == 0
