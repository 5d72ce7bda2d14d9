"""What counts as text, as a token and as a word; every pattern of the package is in this file.

Source: docs/scores.md, "Text to tokens".
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from importlib import import_module
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    import regex

ONE_WORD = 8
"""The most tokens a one-word answer may have, with the signs around the word."""

LONGEST_WORD = 24
"""Longer runs of letters are not English words but loops without spaces, hashes or unspaced scripts."""

PIECE = 4
"""Length of the pieces that such a run is cut into: short, so that a loop of any small period is found."""

_ANGLED = (
    *("s", "/s", "pad", "unk", "bos", "eos", "mask", "cls", "sep", "start_of_turn", "end_of_turn", "0x00"),
)
_SQUARE = ("pad", "unk", "bos", "eos", "mask", "cls", "sep")
_UNKNOWN = "\u2047"
"""What SentencePiece writes for `<unk>`, with which some loops pad."""

SPECIAL = (
    rf"(?i)<[|｜][^<>|｜\s]{{1,40}}[|｜]>|<(?:{'|'.join(_ANGLED)})>|\[(?:{'|'.join(_SQUARE)})\]|{_UNKNOWN}"
)
"""Special tokens of tokenizers: they are the model's punctuation, not its text."""

# Their beginnings: a pattern that begins with a fixed character is searched for quickly.
_MAY_BE_ANGLED = rf"(?i)<(?:[|｜]|(?:{'|'.join(_ANGLED)})>)"
_MAY_BE_SQUARE = rf"(?i)\[(?:{'|'.join(_SQUARE)})\]"

# Tokens with a number come in hundreds of forms: they are codes of speech or images, the model's output.
# Of special tokens only spare ones have numbers as well.
_SPARE = r"(?:reserved|unused|extra|pad|special|placeholder|dummy|null)"
_CODE = rf"<[|｜](?=[^<>|｜\s\d]{{0,39}}+\d)(?![^<>|｜\s]{{0,40}}?{_SPARE})[^<>|｜\s]{{1,40}}+[|｜]>"
# Without bars it may be a tag, `<T1>`, but eight in a row are not tags, unless they are headings.
_TO_DIGIT = r"(?:[^\W\d]|[-.:]){0,39}+\d"
_BARE_CODE = rf"<(?={_TO_DIGIT})(?!(?:h[1-6]|0x00)>)(?![^<>\s]{{0,40}}?{_SPARE}){_TO_DIGIT}[\w.:-]{{0,39}}+>"
FEWEST_CODES = 8
_CODES = rf"(?i)(?:{_CODE}\s*+)++|(?:{_BARE_CODE}\s*+){{{FEWEST_CODES},}}+"
_MAY_BE_CODE = r"<[|｜][^<>|｜\s\d]{0,39}+\d"
_MAY_BE_BARE_CODE = rf"<{_TO_DIGIT}"
_NAME = r"<[|｜]?([^<>|｜\s]+)"
_SIGNS = r"[\W_]+"

FEWEST_PADS = 3
"""One or two tokens at the end of a text are its end or markup; more copies of the same token are padding."""

LONGEST_TOKEN = 64
"""Characters of a token that may be padding."""

_CONTROLS = frozenset(map(chr, (*range(9), *range(14, 28), 127)))
"""The only characters that pad a text: a model writes all others itself, and `____` is a loop."""

_MAY_END_PADDING = _CONTROLS | {">", "]"}
_BARE = r"<(?=[^<>]*[^\W\d_])[^<>\s/=\"']{1,40}>"
_NUMBERED_SPARE = rf"(?i)[<\[][^<>\[\]\s/=\"']*{_SPARE}[^<>\[\]\s/=\"']*[>\]]"
_TAGS = frozenset(
    (
        *("a", "b", "big", "body", "br", "button", "center", "code", "col", "dd", "div", "dl", "dt", "em"),
        *("font", "footer", "form", "g", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html"),
        *("i", "img", "input", "label", "li", "link", "main", "meta", "nav", "ol", "option", "p", "path"),
        *("pre", "rect", "script", "section", "select", "small", "span", "strong", "style", "sub", "sup"),
        *("svg", "table", "tbody", "td", "text", "th", "thead", "title", "tr", "u", "ul", "video"),
    )
)
"""HTML tags: `<br><br><br>` is a loop that the model wrote."""

TAIL = 40
"""How many characters at the end of a prompt, without white space, are searched for to find it in a text."""

SHORT_PROMPT = 20
"""Characters; a shorter prompt must have the same words, not only the same letters."""

BEFORE = 16
"""Characters that may come before a prompt whose beginning was cut off: half of a special token."""

COPIES = 8
"""How many copies of the end of a prompt are looked at in a text."""

BEGINNING = 2_000
"""A prompt is looked for in this many characters plus three times its length, because templates add text."""

LONGEST_REMEMBERED = 4096
"""The most characters of a prompt whose cleaned form is remembered."""

_STRAY = -1

_NAMED_ROLES = (
    *("system", "user", "assistant", "human", "model", "developer", "tool", "instruction", "response"),
)
_ROLES = frozenset((*_NAMED_ROLES, "inst", "sys", ""))
"""The words that chat templates put around messages, without the signs around them."""

_ROLE = rf"(?:{'|'.join(_NAMED_ROLES)})"
# A chat that a template rendered begins with a role: in a special token, alone or before a colon.
_CHAT_BEGINS = (
    r"(?i)\s*+(?:<[^<>\s]{1,40}>\s*+){0,8}?"
    rf"(?:<[|｜]{_ROLE}[|｜]>|\[INST\]|<<SYS>>|#*+\s*+{_ROLE}(?:[ \t]*+[:\r\n]|<))"
)
_ANSWER_BEGINS = r"(?i)\s*+(?:\[/INST\]|#*+\s*+(?:assistant|model|response)(?:[ \t]*+(?:[:\r\n]|$)))"

RULER = 4
"""From this many signs on, a line of signs is a ruler; of more equal signs in a row, so many are kept."""

_MAY_BE_RULED = r"\n(?:[^\w\n]|_)*?([^\w\s]|_)\1{4}"
_LONG_RUN = r"([^\w\s]|_)\1{4,}"

LETTER = r"[[\p{L}\p{M}\p{N}]--[\p{Han}\p{Hiragana}\p{Katakana}]]"
_ANY_SCRIPT = rf"(?V1){LETTER}++(?:['’\-]{LETTER}++)*+|\S"
# The same for Latin letters and their punctuation: `re` finds these tokens in a third of the time.
# The sign for micro is folded to the Greek letter.
LATIN_LETTER = "[A-Za-z0-9ª²³µ¹º¼-¾À-ÖØ-öø-\u024f\u03bc]"
LATIN_SPACE = r"\t-\r \x85\xa0\u2000-\u200a\u2028\u2029\u202f\u205f"
_LATIN = rf"{LATIN_LETTER}++(?:['’\-]{LATIN_LETTER}++)*+|[^{LATIN_SPACE}]"
_IS_LATIN = r"[\x00-\u024f\u03bc\u2000-\u206f]*+"
JOINT = r"['’\-]"


def clean(text: str, prompt: str | None = None) -> str:
    """Return the text that is scored: the answer alone, case-folded, with its rulers shortened.

    >>> clean("<s>Once upon a time THERE was<|endoftext|>", prompt="Once upon a time")
    'there was'
    """
    return folded(short_rulers(answer(text, prompt)))


def folded(kept: str) -> str:
    """Return a text case-folded.

    >>> folded("STRASSE") == folded("Straße")
    True
    """
    # For ASCII the result is the same, in a twentieth of the time.
    return kept.lower() if kept.isascii() else kept.casefold()


def short_rulers(text: str, fill: str = "") -> str:
    r"""Shorten the rulers of a text to at most four equal signs in a row.

    After a ruler more text follows, but a loop has no end. So the last line is left unchanged, and so are all
    lines if half of them are rulers.

    Args:
        text: an answer, as `answer` returns it.
        fill: replaces each sign that is removed; with a space, the positions of the rest do not change.

    >>> short_rulers("Bread\n========\nTwo cups of flour")
    'Bread\n====\nTwo cups of flour'
    >>> short_rulers("Bread\nTwo cups of flour\n========")
    'Bread\nTwo cups of flour\n========'
    """
    if not re.search(_MAY_BE_RULED, f"\n{text}"):
        return text
    lines = text.split("\n")
    last = max((number for number, line in enumerate(lines) if line.strip()), default=0)
    for number in rulers(lines).keys() - {last}:
        lines[number] = re.sub(
            _LONG_RUN, lambda run: run[0][:RULER] + fill * (len(run[0]) - RULER), lines[number]
        )
    return "\n".join(lines)


def rulers(lines: Sequence[str]) -> dict[int, int]:
    """Return how many signs each ruler among lines has, by line number; none if half of the lines are rulers.

    >>> rulers(["Bread", "====", "Flour"]), rulers(["Bread", "====", ""])
    ({1: 4}, {})
    """
    found = {number: signs for number, line in enumerate(lines) if (signs := ruler_signs(line))}
    return found if 2 * len(found) < sum(bool(line.strip()) for line in lines) else {}


def ruler_signs(line: str) -> int:
    """Return how many signs a ruler has, which is a line of only signs, four or more; 0 for any other line.

    >>> ruler_signs("+----+----+"), ruler_signs("---"), ruler_signs("---- or so")
    (11, 0, 0)
    """
    signs = 0 if any(map(str.isalnum, line)) else sum(map(len, line.split()))
    return signs if signs >= RULER else 0


def answer(text: str, prompt: str | None = None) -> str:
    r"""Return the part of a sample that the model itself wrote, stripped.

    Special tokens become a space, except those with numbers, which become words. Padding at the end and a
    prompt at the beginning are cut off. Of a chat only the answers are kept.

    >>> answer("> What is it?\n< A list.<|endoftext|>")
    'A list.'
    >>> answer("<|s_17|><|s_4711|><|s_8|><|endoftext|>")
    's-17 s-4711 s-8'
    >>> answer("It rains.<eod><eod><eod><eod>")
    'It rains.'
    >>> answer("user\nHow is it?\nassistant\nIt rains.", "<|user|>\nHow is it?\n<|assistant|>\n")
    'It rains.'
    """
    written = _written(text)
    if prompt and (end := _prompt_end(written, _bare_prompt(prompt), text)) > 0:
        written = written[end:].strip()
    return _answers_of_chat(written)


Emptiness = Literal["nothing written", "special tokens", "prompt"]


def why_empty(text: str, prompt: str | None = None) -> Emptiness | None:
    """Return why a sample has no text to score; None if it has some.

    Only with "nothing written" is the model silent. A text of special tokens alone was padded or decoded
    wrongly; a text that is only the prompt lost its answer, or was read from the wrong field.

    >>> why_empty(" "), why_empty("<pad><pad>"), why_empty("Once upon", prompt="Once upon"), why_empty("Once")
    ('nothing written', 'special tokens', 'prompt', None)
    """
    if answer(text, prompt):
        return None
    if not text or text.isspace():
        return "nothing written"
    return "prompt" if _written(text) else "special tokens"


def ends_in_padding(text: str) -> bool:
    """Return whether a text ends in padding: a special token three times or more, or control characters.

    >>> ends_in_padding("It rains.<|endoftext|>"), ends_in_padding("It rains." + 9 * "<|endoftext|>")
    (False, True)
    >>> ends_in_padding("Well" + 9 * "!")
    False
    """
    text = text.rstrip()
    return text[-1:] in _MAY_END_PADDING and _padding_start(text) < len(text)


def keeps_prompt(text: str, prompt: str) -> bool:
    """Return whether most of a prompt is in a text but cannot be cut off, so that it is scored as well.

    >>> prompt = "Write a story of a fox who lives by the river, in five sentences or fewer."
    >>> keeps_prompt(f"{prompt} The fox woke.", prompt), keeps_prompt("The fox woke.", prompt)
    (False, False)
    >>> keeps_prompt(f"You are a patient and helpful writer. {prompt} The fox woke.", prompt)
    True
    """
    bare = _bare_prompt(prompt)
    if text.startswith(bare) or not (_may_hold(text, bare) or re.match(_CHAT_BEGINS, text)):
        return False
    return _prompt_end(_written(text), bare, text) == _STRAY


def _written(text: str) -> str:
    """Return a text without special tokens and the padding at its end, stripped."""
    text = _without_special(text)
    return text[: _padding_start(text)].rstrip() if text[-1:] in _MAY_END_PADDING else text


def _without_special(text: str) -> str:
    may_hold = None
    if "<" in text:
        may_hold = re.search(_MAY_BE_ANGLED, text)  # every code with bars is one
        if (may_hold and re.search(_MAY_BE_CODE, text)) or _may_hold_bare_codes(text):
            text = re.sub(_CODES, _in_words, text)
    if not may_hold and "[" in text:
        may_hold = re.search(_MAY_BE_SQUARE, text)
    if not (may_hold or _UNKNOWN in text):
        return text.strip()
    # Consecutive ones become one space; a pattern that matches a row of them would keep each in memory.
    return " ".join(filter(None, re.split(SPECIAL, text))).strip()


def _may_hold_bare_codes(text: str) -> bool:
    if text.count("<") < FEWEST_CODES or text.count("><") < FEWEST_CODES - 1:  # one sign is counted quickly
        return False
    return re.search(_MAY_BE_BARE_CODE, text) is not None


def _in_words(codes: re.Match[str]) -> str:
    """Return a row of tokens with numbers as one word each: `<|s_4711|>` as `s-4711`."""
    names = (re.sub(_SIGNS, "-", name).strip("-") for name in re.findall(_NAME, codes.group()))
    return f" {' '.join(names)} "


def _padding_start(text: str) -> int:
    """Return where the padding at the end of a stripped text begins; the text's length if there is none."""
    last, end = text[-1:], len(text)
    if last in _CONTROLS:
        start = len(text.rstrip(last))
        return start if end - start >= FEWEST_PADS else end
    opens = "<" if last == ">" else "[" if last == "]" else ""
    at = text.rfind(opens, max(0, end - LONGEST_TOKEN)) if opens else -1
    token = text[at:]
    before = text[max(0, at - 2 * LONGEST_TOKEN) : max(0, at)]
    gap = before[len(before.rstrip()) :]
    if at < 0 or not before.endswith(token + gap) or not _is_pad(token):
        return end
    start = _run_start(text, token + gap, at)
    copies = 1 + (at - start) // len(token + gap)
    # A token that occurs elsewhere too is the model's own markup, unless it is a known special token.
    is_markup = token in text[:start] and not re.fullmatch(SPECIAL, token)
    return end if copies < FEWEST_PADS or is_markup else start


def _run_start(text: str, unit: str, end: int) -> int:
    """Return where the row of copies of a unit begins that ends at `end`."""
    for copies in (64, 1):
        while text.endswith(unit * copies, 0, end):
            end -= len(unit) * copies
    return end


def _is_pad(token: str) -> bool:
    if re.search(r"\d", token):
        is_special = re.fullmatch(SPECIAL, token) and not re.match(_CODES, token)
        return bool(is_special or re.fullmatch(_NUMBERED_SPARE, token))
    if re.fullmatch(SPECIAL, token):
        return True
    return bool(re.fullmatch(_BARE, token)) and token[1:-1].casefold() not in _TAGS


def _bare_prompt(prompt: str) -> str:
    """Return a prompt without special tokens; it is remembered, because many samples share a prompt."""
    return _remembered(prompt) if len(prompt) <= LONGEST_REMEMBERED else _without_special(prompt)


@lru_cache(maxsize=1024)
def _remembered(prompt: str) -> str:
    return _without_special(prompt)


def _prompt_end(written: str, prompt: str, text: str) -> int:
    """Return where the prompt at the beginning of a text ends, 0 if the prompt is not there.

    The result is `_STRAY` if most of the prompt is there but cannot be cut off. `written` and `prompt` have
    no special tokens; `text` is the whole sample, whose special tokens may mark it as a chat.
    """
    if written.startswith(prompt):
        return len(prompt)
    if not (_may_hold(written, prompt) or re.match(_CHAT_BEGINS, text)):
        return 0
    places, words = _words(written[: 3 * len(prompt) + BEGINNING])
    wanted = _words(prompt)[1]
    if not wanted:
        return 0
    end = _end_in_words(words, wanted)
    if end <= 0 and re.match(_CHAT_BEGINS, text):
        end = _end_in_chat(written, places, words, prompt) or end
    if end <= 0:
        return end
    at = _place_of(end, places, words)
    header = re.compile(_ANSWER_BEGINS).match(written, at)
    return header.end() if header else at


def _may_hold(written: str, prompt: str) -> bool:
    """Return False, quickly, for a text that lacks the prompt's last words and so cannot hold the prompt."""
    if written.startswith(prompt[:SHORT_PROMPT]):
        return True
    # From the end, because the first missing word decides; half of a word at the beginning does no harm.
    found = 0
    for word in reversed(prompt[-TAIL:].split()):
        if word in written:
            found += not _is_role(word)
        elif not _is_role(word):
            return False
    return found > 0


def _is_role(word: str) -> bool:
    return word.strip("#:[]<>/").casefold() in _ROLES


def _words(text: str) -> tuple[list[int], list[str]]:
    """Return where each word of a text begins, and the words: what is between white space, without roles."""
    found = [match for match in re.finditer(r"\S++", text) if not _is_role(match.group())]
    return [match.start() for match in found], [match.group() for match in found]


def _place_of(count: int, places: list[int], words: list[str]) -> int:
    """Return where the first `count` characters of words end in the text."""
    ends = list(accumulate(map(len, words)))
    number = next(number for number, end in enumerate(ends) if end >= count)
    return places[number] + len(words[number]) - (ends[number] - count)


def _end_in_words(words: list[str], wanted: list[str]) -> int:
    """Return how many characters of words at the beginning are the prompt or its end, 0 if none.

    The result is `_STRAY` if most of the prompt is elsewhere among the words.
    """
    solid, whole = "".join(words), "".join(wanted)
    if len(whole) < SHORT_PROMPT:
        return len(whole) if words[: len(wanted)] == wanted else 0
    if solid.startswith(whole):
        return len(whole)
    ends = _ends_of(whole[-TAIL:], solid) if len(whole) >= TAIL else []
    if len(ends) > len(_ends_of(whole[-TAIL:], whole)):
        return 0  # the model says its prompt again and again: that is a loop
    # The prompt's beginning may be cut off, and the rest may begin with half of a token.
    for end in ends:
        skips = [skip for skip in range(min(end - TAIL, BEFORE) + 1) if whole.endswith(solid[skip:end])]
        if skips and (skips[0] == 0 or not set(">]").isdisjoint(solid[: skips[0]])):
            return end if end < len(solid) else 0  # all of an answer that had to repeat its prompt
    return _STRAY if _has_most(solid, whole) else 0


def _has_most(solid: str, whole: str) -> bool:
    """Return whether most pieces of a prompt are in a text exactly once: more copies are the model's own."""
    pieces = [whole[at : at + TAIL] for at in range(0, len(whole) - TAIL + 1, max(TAIL, len(whole) // 20))]
    return bool(pieces) and 2 * sum(solid.count(piece) == 1 for piece in pieces) >= len(pieces)


def _end_in_chat(written: str, places: list[int], words: list[str], prompt: str) -> int:
    """Return how many characters of words come before the answer in a chat that a template rendered.

    The template may have put something in front, and perhaps only the last message is there.
    """
    solid, whole = "".join(words), "".join(_words(prompt)[1])
    tail = whole[-TAIL:]
    ends = _ends_of(tail, solid)
    if len(tail) == TAIL and ends:  # few-shot prompts may end alike several times
        return ends[min(len(ends), len(_ends_of(tail, whole))) - 1]
    lines = [line for line in prompt.split("\n") if not _is_role(line.strip())]
    last = "".join(_words(lines[-1])[1]) if lines else ""
    begins, ends = re.compile(_ANSWER_BEGINS), _ends_of(last, solid)
    return next((end for end in ends if begins.match(written, _place_of(end, places, words))), 0)


def _ends_of(part: str, solid: str) -> list[int]:
    """Return where the first few copies of a part end in a text."""
    ends: list[int] = []
    at = solid.find(part) if part else -1
    while at >= 0 and len(ends) < COPIES:
        ends.append(at + len(part))
        at = solid.find(part, at + 1)
    return ends


def _answers_of_chat(text: str) -> str:
    """Return the answers of a chat written as `> question`, `< answer`; any other text unchanged."""
    lines = text.split("\n") if text.startswith(("> ", "< ")) else []
    if not any(_speaker(line) == "<" for line in lines):
        return text
    return "\n".join(_answer_lines(lines)).strip()


def _answer_lines(lines: list[str]) -> Iterator[str]:
    answering = False
    for line in lines:
        if speaker := _speaker(line):
            answering = speaker == "<"
            line = line[2:]
        if answering:
            yield line


def _speaker(line: str) -> str | None:
    """Return the mark that opens a turn of a chat: it is alone in its line or before a space."""
    return line[0] if line[:2] in ("> ", "< ", ">", "<") else None


def tokenize(cleaned: str) -> list[str]:
    """Return the tokens of cleaned text.

    A word is a run of letters, marks and digits with inner apostrophes or hyphens; each Han character and
    each kana is a token; so is every other character that is not white space. A run longer than
    `LONGEST_WORD` is cut at its joints, and what is still longer into pieces of `PIECE` characters.

    >>> tokenize("the well-kept cat's '' 東京!")
    ['the', 'well-kept', "cat's", "'", "'", '東', '京', '!']
    >>> tokenize("main" * 7)
    ['main', 'main', 'main', 'main', 'main', 'main', 'main']
    """
    tokens: list[str] = _pattern(cleaned).findall(cleaned)
    if max(map(len, tokens), default=0) > LONGEST_WORD:
        return [piece for token in tokens for piece in _pieces(token)]
    return tokens


def _pattern(text: str) -> "re.Pattern[str] | regex.Pattern[str]":
    return re.compile(_LATIN) if is_latin(text) else _any_script()


def is_latin(text: str) -> bool:
    """Return whether a text holds only Latin letters and the signs used with them.

    >>> is_latin("naïve — 5 µm"), is_latin("東京")
    (True, False)
    """
    return text.isascii() or re.fullmatch(_IS_LATIN, text) is not None


@cache
def _any_script() -> "regex.Pattern[str]":
    # Most texts are Latin, and regex takes longer to load than all other packages that a score needs.
    return cast("regex.Pattern[str]", import_module("regex").compile(_ANY_SCRIPT))


def _pieces(token: str) -> Iterator[str]:
    if len(token) <= LONGEST_WORD:
        yield token
        return
    for part in re.split(JOINT, token):
        if len(part) <= LONGEST_WORD:
            yield part
        else:
            yield from (part[i : i + PIECE] for i in range(0, len(part), PIECE))


def locate(text: str, most: int | None = None) -> list[tuple[int, str]]:
    """Return the tokens of an answer, or the first `most` of them, case-folded, each with its position.

    >>> locate("Budy  Budy!")
    [(0, 'budy'), (6, 'budy'), (10, '!')]
    """
    found = (
        (min(match.start() + offset, match.end() - 1), piece)  # folding makes some letters two or three
        for match in _pattern(text).finditer(text)
        for offset, piece in _offsets(match.group().casefold())
    )
    return list(islice(found, most))


def _offsets(token: str) -> Iterator[tuple[int, str]]:
    end = 0
    for piece in _pieces(token):
        start = token.index(piece, end)
        end = start + len(piece)
        yield start, piece


def one_word(tokens: Sequence[str]) -> int:
    """Return a number that equal one-word answers share, whatever signs are around the word; else 0.

    A number counts as a word here, and so does a sign that is alone.

    >>> one_word(["yes", "."]) == one_word(["yes"]), one_word(["!"]) == one_word(["yes", "!"])
    (True, False)
    >>> one_word(["yes", "and", "no"]), one_word([])
    (0, 0)
    """
    if len(tokens) > ONE_WORD:
        return 0
    words = {token for token in tokens if token[0].isalnum()} or set(tokens)
    return zlib.crc32(words.pop().encode("utf-8", "surrogatepass")) if len(words) == 1 else 0


def is_word(token: str) -> bool:
    """Return whether a token is a word, not a number or a sign: it begins with a letter.

    >>> [is_word(token) for token in ("cat", "été", "42", "!")]
    [True, True, False, False]
    """
    return token[0].isalpha()
