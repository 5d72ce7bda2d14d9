"""The loop, the audit of its folder and the live page decide the same run alike, at every moment of it."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coherence import Gate
from coherence.audit.conduct import audit
from coherence.report import Report
from coherence.run.memory import Memory
from coherence.run.monitor import Monitor
from coherence.scoring.profile import Curve, Profile
from coherence.show.page.follow import Run
from coherence.signals.both import Signals
from coherence.signals.settings import DEFAULTS, Settings, from_json


def records(seed: int) -> str:
    """Records of one frame: a template to English, and fine to data."""
    drawn = Random(seed)  # noqa: S311 - it draws numbers, not secrets
    return "\n".join(f'{{"id": {drawn.randrange(10**6)}, "name": "user", "ok": true}}' for _ in range(12))


FINE = "The cat sat by the door and waited for the rain to stop."
TEXTS = (
    FINE,
    "Every harbour keeps its own weather, and old sailors learn to read each cloud.",
    "She wrote the letter twice, burned both, and walked to the station before dawn broke.",
    "Bread, salt, two candles and a map of the northern islands lay on the kitchen table.",
    "the " * 40,
    "Budy Budy Budy Budy",
    "once there was a dog once there was a dog and then it ran away from the house",
    "Yes",
    "",
    "trfarr rrfttet rrrxq vlorb runk zzykk plomm frand skell drivv",
    *map(records, range(4)),
)
TWINS = tuple(
    f"{FINE[:-1]} in the long street, and then {end}." for end in ("he slept", "they ate some bread")
)
"""Too alike for English, and not for logs."""
MANY = [f"{a}{b} goes home by road {b}{a} and meets {a}{a}{b}" for a in "bdfgkm" for b in "aeiou"]
DRAWN = {"<more than are compared>": [FINE] * 64 + MANY}
"""What stands for many texts: the first 64 are alike, the others are not."""

SOURCES = (None, "chat", "code")
PROMPTS = (None, "Once", "The cat", "2 + 2 =")
BESIDE = ((), (), ("grad_norm",), ("reward",), ("grad_norm", "objective/kl"))


class Act(NamedTuple):
    """What a training loop does next."""

    kind: str
    forward: int = 1
    value: float = 0.0
    source: str | None = None
    texts: tuple[str, ...] = ()
    late: int = 0
    beside: tuple[str, ...] = ()
    prompts: tuple[str | None, ...] = (None,)


EVENTS = (
    "back",
    "checkpoint",
    "checkpoint deleted",
    "reopen",
    "reopen otherwise",
    "killed",
    "again",
    "older state",
    "gate",
    "unusable",
)
NOTHING = st.just(0)
LATE = st.integers(0, 3)

LOSSES = st.builds(
    lambda forward, value, source, late, beside: Act("loss", forward, value, source, (), late, beside),
    st.integers(1, 3),
    st.floats(0, 12) | st.sampled_from([math.nan, math.inf, 2.0, 2.0]),
    st.sampled_from(SOURCES),
    LATE,
    st.sampled_from([()] * 20 + [*BESIDE]),
)
SAMPLES = st.builds(
    lambda texts, late, prompts: Act("sample", texts=tuple(texts), late=late, prompts=prompts),
    st.lists(st.sampled_from(TEXTS), min_size=1, max_size=8)
    | st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3)
    | st.just(["<more than are compared>"])
    | st.lists(st.integers(0, 20).map(records), min_size=1, max_size=4)
    | st.sampled_from([["Yes"] * 3, ["yes."], ["Yes", "Yes!"], ["No"]]),
    LATE,
    st.just((None,)) | st.lists(st.sampled_from(PROMPTS), min_size=1, max_size=3).map(tuple),
)
OTHERS = st.builds(
    Act,
    st.sampled_from(EVENTS),
    st.integers(1, 30),
    NOTHING,
    st.none(),
    st.just(()),
    NOTHING,
)
OTHER_PROFILES = st.builds(
    lambda name: Act("profile", source=name), st.sampled_from(["english", "data", "logs"])
)
SINGLE = (LOSSES | SAMPLES | LOSSES | SAMPLES | OTHERS | OTHER_PROFILES).map(lambda act: [act])
STRETCHES = st.builds(
    lambda loss, texts, times: [loss, Act("sample", texts=texts)] * times,
    LOSSES,
    st.sampled_from([*((records(seed),) for seed in range(3)), TWINS, (FINE,), ("the " * 40,)]),
    st.integers(3, 8),
)
ACTS = st.lists(SINGLE | SINGLE | SINGLE | STRETCHES, min_size=8, max_size=25).map(
    lambda parts: [act for part in parts for act in part]
)


def toy_profile() -> Profile:
    """A reference against which hardly anything is varied."""
    usual = Profile.load()
    curves = {name: Curve([(1, 1), (100, 99), (10_000, 9_000)]) for name in usual.curves}
    return Profile("toy", "test", 1, "2026-01-01", usual.english_share, curves)


GATES = st.builds(
    Gate,
    threshold=st.sampled_from([30.0, 60.0]),
    patience=st.integers(1, 4),
    window=st.sampled_from([None, 6]),
    warmup=st.sampled_from([0, 40]),
    observe_only=st.booleans(),
)
PROFILES = (None, toy_profile(), *map(Profile.load, ("english", "data", "logs")))

SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "gate": GATES,
        "vocab_size": st.sampled_from([50, 8449]),
        "window": st.sampled_from([1, 5, 100]),
        "profile": st.sampled_from(PROFILES),
        "status_every": st.sampled_from([1, 7, 1000]),
    },
)


class Loop:
    """A training loop that does what it is told, and its monitor."""

    def __init__(self, folder: Path, chosen: dict[str, Any], every: int) -> None:
        self.folder, self.every, self.step = folder, every, 100
        self.monitor = Monitor(folder, **chosen, acknowledge_halt=True)
        self._states: list[tuple[int, dict[str, Any]]] = []

    def do(self, act: Act) -> None:
        monitor = self.monitor
        match act.kind:
            case "loss":
                self.step += act.forward * self.every
                monitor.loss(self.step - act.late, act.value, act.source, beside=act.beside)
            case "sample":
                texts = [each for text in act.texts for each in DRAWN.get(text, [text])]
                prompts = [act.prompts[place % len(act.prompts)] for place in range(len(texts))]
                monitor.sample(self.step - act.late, texts, prompts)
            case "back":
                self.step = max(0, self.step - act.forward * 200)
                monitor.loss(self.step, 3.0)
            case "checkpoint" | "checkpoint deleted":
                self._save(delete=act.kind == "checkpoint deleted", last=act.forward % 2 > 0)
            case "gate":  # what is set holds from the next call on, and is written down then
                monitor.gate.patience += act.forward % 2
                monitor.gate.warmup = self.step if act.forward % 3 == 0 else 0
                monitor.note("gate", self.step)
            case "unusable":
                monitor.loss(self.step, None)
                monitor.sample(self.step, [None])
            case "profile":
                monitor.close()
                self.monitor = Monitor(self.folder, profile=act.source, acknowledge_halt=True)
            case "killed":
                self._kill(without_state=act.forward % 3 > 0)
            case _:
                self._start_again(act)

    def _save(self, delete: bool, last: bool) -> None:
        if delete:
            for step, _ in self._states[-1 if last else -2 :][:1]:
                self.monitor.note("checkpoint deleted", step)
        else:
            self.monitor.note("checkpoint", self.step)
            self._states.append((self.step, self.monitor.state_dict()))

    def _start_again(self, act: Act) -> None:
        if act.kind == "older state":
            if self._states:
                self.step, state = self._states[-1]
                self.monitor.load_state_dict(state)
            return
        self.monitor.close()
        other: dict[str, Any] = {}
        if act.kind == "reopen otherwise":
            other = {
                "gate": Gate(patience=1 + act.forward % 4, threshold=30.0 + act.forward),
                "profile": PROFILES[act.forward % len(PROFILES)],
                "vocab_size": 50 + act.forward,
            }
        self.monitor = Monitor(self.folder, **other, acknowledge_halt=True)
        # A loop that is started again may draw the last samples once more.
        if act.kind == "again" and (last := self.monitor.gate.step) is not None:
            self.monitor.sample(last, TEXTS[: act.forward % 4 + 1])

    def _kill(self, without_state: bool) -> None:
        """Go on in a copy of the folder as a killed process leaves it."""
        copy, before = self.folder.with_name(self.folder.name + "+"), said_live(self.monitor)
        shutil.copytree(self.folder, copy)
        self.monitor.close()
        if without_state:
            (copy / "gate.json").unlink(missing_ok=True)
        self.folder, self.monitor = copy, Monitor(copy, acknowledge_halt=True)
        assert before["halt"] or said_live(self.monitor) == before


def said_live(monitor: Monitor) -> dict[str, Any]:
    """What the monitor says now."""
    return said_of(monitor.signals, monitor.settings)


def said_of(signals: Signals, settings: Settings) -> dict[str, Any]:
    return {
        "halt": signals.gate.halted,
        "reason": signals.gate.halt_reason,
        "diagnosis": signals.diagnosis._asdict(),
        "resume": [signals.place.step, signals.place.reason],
        "recovered": signals.recovered_since,
        "smma": signals.loss.smma,
        "smoothed": signals.loss.smoothed,
        "settings": settings.named(),
    }


def taken_up(folder: Path) -> dict[str, Any]:
    """What a monitor says that takes the folder up as it stands, before it goes on."""
    history = from_json(json.loads((folder / "settings.json").read_bytes()))
    memory = Memory(Signals.of(DEFAULTS))
    memory.settings = history[-1].settings
    assert memory.restore(folder, history) is None
    return said_of(memory.signals, memory.settings)


def said_by(report: Report) -> dict[str, Any]:
    """The same as a report says it."""
    settings = report.settings.to_plain()
    del settings["version"]
    loss = report.loss
    return {
        "halt": report.halt,
        "reason": report.halt_reason,
        "diagnosis": report.diagnosis.to_plain(),
        "resume": [report.resume_from, report.resume_reason],
        "recovered": report.recovered_since,
        "smma": loss.smma if loss else None,
        "smoothed": loss.smoothed if loss else None,
        "settings": settings,
    }


def audited(folder: Path) -> Report | None:
    """The report of a folder; none where a restart has made all its samples void."""
    try:
        report = audit(folder)
    except ValueError as error:
        if "restarts superseded all" in str(error):
            return None
        raise
    assert isinstance(report, Report)
    return report


def written(folder: Path) -> list[tuple[int, int, bool, int]]:
    """The verdicts that the monitor wrote down, sample by sample; those that a restart has not made void."""
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_bytes().splitlines()]
    metrics = folder / "metrics.jsonl"
    events = [json.loads(line) for line in metrics.read_bytes().splitlines()] if metrics.exists() else []
    restarts = [(event["time"], event["step"]) for event in events if event.get("event") == "restart"]
    return [
        (row["step"], row["index"], row["low"], row["streak"])
        for row in rows
        if not any(time > row["time"] and step <= row["step"] for time, step in restarts)
    ]


def shown(folder: Path) -> Report:
    page = Run(folder)
    page.read()
    return Report.from_json(json.dumps(page.news(0, -1)["report"]))


def restarts_of(folder: Path) -> list[int]:
    path = folder / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    return [row["step"] for row in rows if row.get("event") == "restart"]


class Laws:
    """What holds of a run from one moment to the next, whoever says it."""

    def __init__(self) -> None:
        self._halted: dict[str, Any] | None = None
        self._restarts = 0

    def hold(self, act: Act, said: dict[str, Any], folder: Path) -> None:
        restarts = restarts_of(folder)
        goes_on = act.kind not in ("older state", "reopen", "reopen otherwise", "killed", "again")
        if said["halt"] and self._halted and goes_on:
            assert (said["diagnosis"], said["resume"]) == (self._halted["diagnosis"], self._halted["resume"])
        if act.kind == "back" and len(restarts) > self._restarts and not said["halt"]:
            assert said["resume"][0] is None or said["resume"][0] < restarts[-1], "it is void"
        self._halted, self._restarts = said if said["halt"] else None, len(restarts)


def moments(loop: Loop, acts: list[Act]) -> Iterator[int]:
    """Do one thing after the other; yield after each where there is something to audit."""
    for number, act in enumerate(acts):
        loop.do(act)
        if (loop.folder / "samples.jsonl").exists():
            yield number


ONE_WORD = [
    Act("sample", texts=("Yes", "yes.", "YES")),
    Act("loss", 1, 3.0),
    Act("sample", texts=("Yes",) * 2),
]


@pytest.mark.slow
@given(acts=ACTS, chosen=SETTINGS, every=st.sampled_from([1, 10, 50, 500]))
@example(acts=[Act("sample", texts=(FINE,)), *ONE_WORD, *ONE_WORD], chosen={}, every=10)
@example(acts=[*ONE_WORD, Act("killed", 1), *ONE_WORD, Act("checkpoint"), *ONE_WORD], chosen={}, every=1)
@settings(deadline=None, max_examples=15)
def test_loop_audit_and_page_agree_at_every_moment_of_a_run(
    tmp_path_factory: pytest.TempPathFactory, acts: list[Act], chosen: dict[str, Any], every: int
) -> None:
    loop, laws = Loop(tmp_path_factory.mktemp("run") / "exp", chosen, every), Laws()
    try:
        for number in moments(loop, acts):
            so_far, live = acts[: number + 1], said_live(loop.monitor)
            laws.hold(acts[number], live, loop.folder)
            report = audited(loop.folder)
            page = shown(loop.folder)
            assert said_by(page) == live, f"page after {so_far}"
            assert taken_up(loop.folder) == live, f"reopened after {so_far}"
            if report is not None:
                assert page.headline == report.headline, f"after {so_far}"
                assert said_by(report) == live, f"audit after {so_far}"
                verdicts = [(each.step, each.index, each.low, each.streak) for each in report.samples]
                assert verdicts == sorted(written(loop.folder), key=lambda each: each[0]), f"after {so_far}"
    finally:
        loop.monitor.close()


def compared(folder: Path) -> list[dict[str, Any]]:
    """The steps whose samples were compared, as the page tells them: all but the last."""
    page = Run(folder)
    page.read()
    settled, unsettled = page.news(0, -1)["between"]
    return [*settled, *unsettled]


def agree(loop: Loop) -> dict[str, Any]:
    """What all say of a run; that they say the same is asserted."""
    live, report = said_live(loop.monitor), audited(loop.folder)
    assert report is not None
    said = {"audit": said_by(report), "page": said_by(shown(loop.folder)), "reopened": taken_up(loop.folder)}
    assert said == dict.fromkeys(said, live)
    return live | {"notes": report.notes, "trend": report.loss and report.loss.trend}


def do(loop: Loop, *acts: Act) -> dict[str, Any]:
    for act in acts:
        loop.do(act)
    return agree(loop)


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    loop = Loop(tmp_path / "exp", {}, every=1)
    yield loop
    loop.monitor.close()


REOPENED = {name: Act("profile", source=name) for name in ("english", "data", "logs")}


def test_templates_do_not_halt_a_run_whose_profile_is_changed_to_one_they_are_no_templates_to(
    loop: Loop,
) -> None:
    drawn = [Act("sample", texts=(records(number),)) for number in range(8)]
    assert do(loop, *drawn)["diagnosis"]["samples"] == "templated"
    said = do(loop, REOPENED["data"], *drawn[:2])
    assert (said["halt"], said["diagnosis"]["samples"]) == (False, "templated")


def test_a_reward_that_is_logged_after_a_halt_does_not_change_what_was_said_at_it(loop: Loop) -> None:
    losses = [Act("loss", value=5 - number / 10) for number in range(30)]
    drawn = [Act("sample", texts=(FINE,)), *[Act("sample", texts=("Budy " * 20,))] * 5]
    said = do(loop, *losses, *drawn)
    assert (said["diagnosis"]["name"], said["trend"]) == ("the loss is misleading", "converging")
    later = do(loop, Act("loss", value=2.0, beside=("reward",)))
    assert (later["diagnosis"], later["resume"]) == (said["diagnosis"], said["resume"])
    assert later["trend"] == "not a cross-entropy"


def test_a_reward_is_forgotten_where_an_older_state_is_loaded_that_knows_of_none(loop: Loop) -> None:
    fall = [Act("loss", value=3 - number / 20) for number in range(15)]
    do(loop, Act("sample", texts=(FINE,)), *fall, Act("checkpoint"))
    assert do(loop, Act("loss", value=2.0, beside=("kl",)))["trend"] == "not a cross-entropy"
    said = do(loop, Act("older state"), *(act._replace(value=act.value - 0.7) for act in fall))
    assert said["trend"] == "converging"


def test_samples_are_compared_by_the_profile_under_which_they_were_drawn(loop: Loop) -> None:
    drawn = [Act("loss"), Act("sample", texts=TWINS)] * 4
    assert do(loop, *drawn)["diagnosis"]["samples"] == "alike"
    assert do(loop, REOPENED["logs"])["diagnosis"]["samples"] == "alike"
    said = do(loop, *drawn, *drawn)
    assert said["diagnosis"]["samples"] == "reads well"
    assert [note for note in said["notes"] if note.startswith("alike: at 4 of 12 steps")]


def test_audit_and_page_tell_how_many_samples_were_compared(loop: Loop) -> None:
    prompts = ("Once", "The cat", None, "Once")
    do(loop, *[Act("loss"), Act("sample", texts=(*TEXTS[:4], "Yes"), prompts=prompts)] * 3, Act("checkpoint"))
    do(loop, Act("loss"), Act("sample", texts=("<more than are compared>",)))
    report = audited(loop.folder)
    assert report is not None
    assert [each.to_plain() for each in report.between[:-1]] == compared(loop.folder)
    assert [each.samples for each in report.between] == [3, 3, 3, 64]


def test_all_say_that_no_sample_was_judged_since_a_halt_and_that_later_answers_are_too_short(
    loop: Loop,
) -> None:
    drawn = [Act("sample", texts=(FINE,)), *[Act("sample", texts=("Budy " * 20,))] * 5]
    losses = [Act("loss", value=5 - number / 10) for number in range(30)]
    assert do(loop, *losses, *drawn)["halt"]
    said = do(loop, Act("reopen"))["diagnosis"]
    assert (said["samples"], said["name"]) == ("too short", "not judged since the halt")
    answers = [[Act("loss", value=2.0), Act("sample", texts=(text,))] for text in ("I am.", "It was so.") * 4]
    said = do(loop, *[Act("sample", texts=(FINE,))] * 8, *[act for pair in answers for act in pair])
    assert " the last 8 samples are too short to judge: " in said["diagnosis"]["sentence"]
