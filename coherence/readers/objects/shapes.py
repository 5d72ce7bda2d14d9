"""The objects of harnesses and servers, which hold their texts deeper than those of trainers.

Source: docs/formats.md, "Objects of harnesses and servers".
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from coherence.readers.lines import first_of, to_float
from coherence.readers.objects.messages import is_of_others, is_own, may_be_texts
from coherence.readers.objects.names import ANSWER, OF_MODEL, PLAIN_TEXT, PROMPT, SEVERAL, SKIPPED, RawRow

CHOICES = "multiple choice: figures and no text"
STREAM = "chunks of a stream"
NOTHING = "no answer, but an error"
OTHERS = "messages of others than the model"
COMPARED = "two outputs that were compared, and neither is said to be the model's"

_PROMPTS = frozenset(PROMPT)
_CHOICE = ("index", "finish_reason", "logprobs", "message", "turns", "delta")


class Shape(NamedTuple):
    """How to recognise the objects of one writer, and how to make rows of them.

    Attributes:
        name: of the writer.
        key: a key that each of them has.
        fits: whether an object with the key has the shape.
        rows: yields the rows in it, with the usual names or of another shape.
    """

    name: str
    key: str
    fits: Callable[[RawRow], bool]
    rows: Callable[[RawRow], Iterator[RawRow]]


def shape_of(row: RawRow) -> Shape | None:
    """Return the first shape that an object has.

    >>> shape_of({"choices": [{"message": {"content": "So."}}]}).name
    'OpenAI-compatible server'
    >>> shape_of({"question": "Which?", "choices": ["this", "that"]})
    """
    keys = KEYS.intersection(row)
    shapes = _BY_KEY[next(iter(keys))] if len(keys) == 1 else SHAPES if keys else ()
    for shape in shapes:
        if shape.key in row and shape.fits(row):
            return shape
    return None


def _rest(row: RawRow, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in keys}


def _objects(value: Any) -> list[RawRow]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _mapping(value: Any) -> RawRow:
    return value if isinstance(value, Mapping) else {}


def as_answer(message: RawRow) -> list[RawRow]:
    """Return a message of the model as a chat of that message only, whatever role it states."""
    return [{**message, "role": "assistant"}]


def _lm_eval(row: RawRow) -> Iterator[RawRow]:
    texts = [text for each in row["resps"] for text in (each if isinstance(each, list) else [each])]
    prompt, generated = _asked_by_lm_eval(row.get("arguments"))
    figures = not generated and all(to_float(text) is not None for text in texts)
    if figures or not all(isinstance(text, str) for text in texts):
        yield {SKIPPED: CHOICES}
        return
    for text in texts:
        yield {"text": text, "prompt": prompt, ANSWER: row.get("filter")}


def _asked_by_lm_eval(arguments: Any) -> tuple[Any, bool]:
    """Return the prompt, and whether a text was to be generated: then the settings for that are stated."""
    if isinstance(arguments, list):
        first: Any = arguments[0] if arguments else None
    else:
        first = _mapping(arguments).get("gen_args_0")
    given = list(first.values()) if isinstance(first, Mapping) else first
    if not isinstance(given, list) or not given:
        return None, False
    prompt = given[0][0] if isinstance(given[0], list) and len(given[0]) == 1 else given[0]
    return prompt, any(isinstance(each, Mapping) for each in given)


def _is_of_inspect(row: RawRow) -> bool:
    return "input" in row and isinstance(_mapping(row["output"]).get("choices"), list)


def _inspect(row: RawRow) -> Iterator[RawRow]:
    """Unpack a sample of inspect-ai: `epoch` counts repeats, and `messages` hold the answer again."""
    choices = row["output"]["choices"]
    yield {"prompt": row["input"], "choices": choices} if choices else {SKIPPED: NOTHING}


def _evals(row: RawRow) -> Iterator[RawRow]:
    data = _mapping(row.get("data"))
    if row.get("type") == "sampling" and data:
        sampled = data.get("sampled")
        for text in sampled if isinstance(sampled, list) else [sampled]:
            yield {"text": text, "prompt": data.get("prompt")}


def _promptfoo(row: RawRow) -> Iterator[RawRow]:
    response = row["response"]
    prompt = row["prompt"].get("raw")
    yield {"text": response.get("output"), "prompt": prompt, "finish_reason": response.get("finishReason")}


def _answered(row: RawRow) -> Iterator[RawRow]:
    """Unpack an answer under its key, which may be the body of a response, with its prompt."""
    inner = row["response" if isinstance(row.get("response"), Mapping) else "result"]
    inner = inner["body"] if isinstance(inner.get("body"), Mapping) else inner
    yield {**_rest(row, "response", "result", "request"), **_asked(row), **inner}


def _is_answer(value: Any) -> bool:
    """Tell whether an object is itself the answer of a server."""
    return isinstance(value, Mapping) and (
        isinstance(value.get("choices"), list) or isinstance(value.get("candidates"), list)
    )


def _holds_answer(key: str, row: RawRow) -> bool:
    return _is_answer(row[key])


def _nested(key: str) -> Callable[[RawRow], Iterator[RawRow]]:
    """Return a function that unpacks an answer of a server that a script stored under its own key."""
    return lambda row: iter([{**_rest(row, key), **row[key]}])


def _asked(row: RawRow) -> RawRow:
    """Return the prompt, if the request is stored with its answer."""
    request = _mapping(row.get("request"))
    asked = first_of(_mapping(request.get("body")) or request, (*PROMPT, "contents"))
    return {"prompt": asked} if asked else {}


def _has_choices(row: RawRow) -> bool:
    known = "object" in row or "usage" in row
    return any(known or not choice.keys().isdisjoint(_CHOICE) for choice in _objects(row["choices"]))


def _choices(row: RawRow) -> Iterator[RawRow]:
    rest = {**_rest(row, "choices", "request"), **_asked(row)}
    for choice in _objects(row["choices"]):
        ended = {"finish_reason": first_of(choice, ("finish_reason", "stop_reason"))}
        if isinstance(choice.get("message"), Mapping):
            yield {**rest, "text": as_answer(choice["message"]), **ended}
        elif isinstance(choice.get("turns"), list):
            turns = (as_answer(turn) if isinstance(turn, Mapping) else turn for turn in choice["turns"])
            yield from ({**rest, "text": turn, **ended} for turn in turns)
        elif "delta" in choice:
            yield {SKIPPED: STREAM}
        else:
            yield {**rest, "text": choice.get("text"), **ended}


def _candidates(row: RawRow) -> Iterator[RawRow]:
    rest = _rest(row, "candidates")
    for each in _objects(row["candidates"]):
        yield {
            **rest,
            "text": as_answer(_mapping(each.get("content"))),
            "finish_reason": each.get("finishReason"),
        }


def _items(row: RawRow) -> Iterator[RawRow]:
    """Unpack a list under `output`: the parts of one answer, or objects with one text each."""
    rest, items = _rest(row, "output"), _objects(row["output"])
    if any(item.get("type") in _PARTS for item in items):
        parts = [_PARTS[item["type"]](item) for item in items if item.get("type") in _PARTS]
        parts = [part for part in parts if any(part.values())] or parts
        yield {**rest, "text": [message for part in parts for message in as_answer(part)]}
        return
    yield from ({**rest, **item} for item in items)


_PARTS: Mapping[Any, Callable[[RawRow], RawRow]] = {
    "message": lambda item: item,
    "reasoning": lambda item: {"reasoning": item.get("content") or item.get("summary")},
    "function_call": lambda item: {"function_call": item},
}
"""What an answer of the type `responses` consists of, and the message that each part is."""


def _sharegpt(row: RawRow) -> Iterator[RawRow]:
    """Unpack a conversation; next to texts of a model it is the prompt, which may end in a reference."""
    key = "conversations" if "conversations" in row else "conversation"
    answered = any(row.get(key) and may_be_texts(row[key]) for key in (*OF_MODEL, *SEVERAL))
    yield {**_rest(row, key), "prompt" if answered else "text": [_turn(turn) for turn in row[key]]}


def _turn(turn: RawRow) -> RawRow:
    if "role" in turn:
        return turn
    return {"role": _ROLES.get(str(turn["from"]), str(turn["from"])), "content": turn.get("value")}


_ROLES = {"human": "user", "gpt": "assistant"}


def _has_turns(key: str, row: RawRow) -> bool:
    """Tell whether a row is a conversation; if the row also has a text, it is not."""
    turns = _objects(row[key])
    if not turns or len(turns) < len(row[key]):
        return False
    roles = all("role" in turn for turn in turns) and PLAIN_TEXT.isdisjoint(row)
    return roles or all("from" in turn for turn in turns)


def _are_rows(row: RawRow) -> bool:
    return all(isinstance(each, Mapping) for each in row.values())


def _by_number(row: RawRow) -> Iterator[RawRow]:
    """Unpack rows under their numbers; the turns of OpenCompass have their content under `prompt`."""
    for each in row.values():
        if "prediction" not in each or "origin_prompt" not in each:
            yield each
            continue
        asked, texts = each["origin_prompt"], each["prediction"]
        chat = [{"role": "user", "content": turn.get("prompt")} for turn in _objects(asked)]
        for text in texts if isinstance(texts, list) else [texts]:
            yield {"text": text, "prompt": chat or asked}


def _is_chunk(row: RawRow) -> bool:
    """Tell whether a row of Ollama is a word of a stream, or the end of one, which has no text."""
    text = row.get("response", _mapping(row.get("message")).get("content"))
    is_text = isinstance(text, str) and "created_at" in row
    return is_text and (row["done"] is False or (not text and bool(row.get("eval_count"))))


def _is_message(row: RawRow) -> bool:
    """Tell whether a row is a message; a text next to a prompt is the answer to it."""
    if "text" in row:
        return is_of_others(row) and PLAIN_TEXT.intersection(row) == {"text"} and not _PROMPTS & row.keys()
    return "content" in row and PLAIN_TEXT.isdisjoint(row)


def _message(row: RawRow) -> Iterator[RawRow]:
    if not is_own(row):
        yield {SKIPPED: OTHERS}
        return
    yield {**_rest(row, "role", "content"), "text": as_answer(row)}


def _of_llama_cpp(row: RawRow) -> Iterator[RawRow]:
    yield {**_rest(row, "content", "tokens_predicted"), "text": row["content"]}


def _lighteval(row: RawRow) -> Iterator[RawRow]:
    response = row["model_response"]
    texts = response["text"] if isinstance(response["text"], list) else [response["text"]]
    prompt = first_of(_mapping(row.get("doc")), ("query",)) or response.get("input")
    yield from ({"text": text, "prompt": prompt} for text in texts)


def _sglang(row: RawRow) -> Iterator[RawRow]:
    yield {**_rest(row, "meta_info"), "finish_reason": row["meta_info"].get("finish_reason")}


def _is_comparison(row: RawRow) -> bool:
    return "input_1" not in row and "output_2" in row and ("generator_2" in row or "preference" in row)


def _compared(row: RawRow) -> Iterator[RawRow]:
    """Unpack a comparison of AlpacaEval, whose first output is the reference, and the second the model's."""
    told = "generator_2" in row
    yield {**_rest(row, "output_1", "output_2"), "text": row["output_2"]} if told else {SKIPPED: COMPARED}


def _numbered(row: RawRow) -> Iterator[RawRow]:
    number = 1
    while (key := f"output_{number}") in row:
        yield {"step": row.get("step"), "prompt": row.get(f"input_{number}"), "text": row[key]}
        number += 1


def _instructed(row: RawRow) -> Iterator[RawRow]:
    asked = [row["instruction"], row.get("input")]
    said = "\n".join(each for each in asked if isinstance(each, str) and each)
    reference = ("output",) if _has_reference(row) else ()
    yield {**_rest(row, "instruction", "input", *reference), "prompt": said}


def _has_reference(row: RawRow) -> bool:
    """Tell whether `output` is the data set's, as in Alpaca's rows, because the model's text is next to it.

    In Dolly's rows, without an `input`, the response is the data set's.
    """
    answers = ("predict", "prediction", *(("response",) if "input" in row else ()))
    return "generator" not in row and any(isinstance(row.get(key), str) for key in answers)


def _is_predicted(row: RawRow) -> bool:
    asked = isinstance(row.get("outputs"), list) and "input" in row
    return isinstance(row["pred"], str) and PLAIN_TEXT.isdisjoint(row) and (asked or "answers" in row)


def _predicted(row: RawRow) -> Iterator[RawRow]:
    yield {**_rest(row, "pred", "outputs", "answers"), "text": row["pred"]}


def _any(row: RawRow) -> bool:  # noqa: ARG001 - the key is enough
    return True


SHAPES: tuple[Shape, ...] = (
    Shape("lm-evaluation-harness", "resps", lambda row: isinstance(row["resps"], list), _lm_eval),
    Shape("OpenAI evals", "event_id", lambda row: isinstance(row.get("data"), Mapping), _evals),
    Shape("OpenAI evals, what was asked for", "spec", lambda row: len(row) == 1, _evals),
    Shape("OpenAI evals, the result", "final_report", lambda row: len(row) == 1, _evals),
    Shape("inspect-ai", "output", _is_of_inspect, _inspect),
    Shape(
        "promptfoo",
        "response",
        lambda row: isinstance(row["response"], Mapping) and isinstance(row.get("prompt"), Mapping),
        _promptfoo,
    ),
    Shape("Ollama, a stream", "done", _is_chunk, lambda _: iter([{SKIPPED: STREAM}])),
    Shape("log of requests", "response", lambda row: isinstance(row["response"], Mapping), _answered),
    Shape("batch of requests", "result", lambda row: isinstance(row["result"], Mapping), _answered),
    Shape("OpenAI-compatible server", "choices", _has_choices, _choices),
    *(
        Shape(f"an answer of a server, under {key}", key, partial(_holds_answer, key), _nested(key))
        for key in ("completion", "output", "generation", "answer", "raw_response")
    ),
    Shape("Gemini", "candidates", lambda row: bool(_objects(row["candidates"])), _candidates),
    Shape("OpenAI responses", "output", lambda row: bool(_objects(row["output"])), _items),
    Shape("ShareGPT", "conversations", partial(_has_turns, "conversations"), _sharegpt),
    Shape("ShareGPT, of one", "conversation", partial(_has_turns, "conversation"), _sharegpt),
    Shape(
        "a message of a server",
        "message",
        lambda row: isinstance(row["message"], Mapping) and PLAIN_TEXT.isdisjoint(row),
        lambda row: iter([{**_rest(row, "message"), "text": as_answer(row["message"])}]),
    ),
    Shape("a chat, a message a row", "role", _is_message, _message),
    Shape("llama.cpp", "tokens_predicted", lambda row: "content" in row, _of_llama_cpp),
    Shape("lighteval", "model_response", lambda row: "text" in _mapping(row["model_response"]), _lighteval),
    Shape("OpenCompass, pandas", "0", _are_rows, _by_number),
    Shape("SGLang", "meta_info", lambda row: isinstance(row["meta_info"], Mapping), _sglang),
    Shape("RULER, LongBench", "pred", _is_predicted, _predicted),
    Shape("AlpacaEval, a comparison", "output_1", _is_comparison, _compared),
    Shape("verl, a table of validations", "output_1", _any, _numbered),
    Shape("AlpacaEval", "instruction", lambda row: "prompt" not in row, _instructed),
)
"""In the order in which they are tried."""

KEYS = frozenset(shape.key for shape in SHAPES)

_BY_KEY = {key: tuple(shape for shape in SHAPES if shape.key == key) for key in KEYS}
