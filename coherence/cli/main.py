"""The command line: `coherence audit`, `check`, `compare`, `watch`, `serve`, `score`, `calibrate` and `demo`.

Machine output goes to standard output, everything for people to standard error. Exit status: 0 fine,
1 the gate halts or the samples are worse than the snapshot, 2 wrong usage or unreadable input, 70 an error of
coherence itself (`EX_SOFTWARE` of sysexits), 130 interrupted with Ctrl-C or SIGTERM.
"""

import argparse
import gc
import os
import re
import signal
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

from coherence.escape import on_one_line
from coherence.scoring.profile import SHIPPED
from coherence.show.manner import speak
from coherence.show.say import say, silence
from coherence.signals.settings import DEFAULTS

UNUSABLE, OWN_ERROR, BROKEN_OFF = 2, 70, 130

COLLECT_EVERY = 100_000
"""Objects, beyond those freed, after which Python looks for garbage; more than are alive in a small audit."""

OF_A_PROJECT = ("audit", "check")
"""The commands whose settings a project may have in its `pyproject.toml`."""

MAY_BE_EMPTY = ("texts", "prompt")
"""What is text itself; all else names something, and is empty where a variable of a script was not set."""

SHOW_TRACEBACK = "COHERENCE_TRACEBACK"
"""The environment variable that, set to 1, shows where an error of coherence itself comes from."""

HELP = """\
Read a language model's own samples and say when its training has collapsed.

  coherence demo
  coherence audit runs/exp7
  coherence watch runs/exp7
  coherence serve runs/exp7
  coherence check samples.jsonl --snapshot good.json
  coherence compare before.jsonl now.jsonl
  coherence score "Budy Budy Budy Budy"

Machine output goes to stdout, everything for people to stderr.

Exit status: 0 fine, 1 the gate halts or the samples are worse than the
snapshot, 2 wrong usage or unreadable input, 70 an error of coherence itself
(COHERENCE_TRACEBACK=1 shows where), 130 interrupted with Ctrl-C or SIGTERM
(serve then ends with 0)."""

AUDIT_HELP = """\
Replay a run: score its samples, run the gate over them in step order, compare
them with the loss, and say continue, watch, pivot or halt, and why.

PATH is what your trainer wrote: a folder, a file, a pattern, a URL, or - for
standard input. JSON lines, JSON, CSV, Parquet, TensorBoard, trackio, one file
per step and text logs can be read; the format is detected, compressed or not
(docs/formats.md). Losses are found next to the samples or among them. A folder
of several runs gives a ranking. Lines that cannot be used are listed in the
report; the others count. --explain only says how each file is read and where
each setting comes from.

Options can also be set in pyproject.toml, [tool.coherence], or by environment
variables (docs/settings.md). An option overrules both.

  coherence audit runs/exp7
  coherence audit samples.jsonl --loss trainer_state.json --vocab-size 8449
  coherence audit samples.jsonl --json - | jq .diagnosis
  coherence audit runs/exp7 --explain
  coherence audit runs/exp7 --html report.html
  coherence audit 'rollouts/*.jsonl.zst' --workers 8 --scored scored.parquet

Exit status: 0 fine, 1 the gate halts (0 with --observe), 2 wrong usage or
unreadable input, 70 an error of coherence itself, 130 interrupted. The report
covers what was read so far; with --scored, run it again to resume."""

CHECK_HELP = """\
Ask of a new checkpoint: does it still write as well as the last one? Its
samples are compared with a snapshot, a small JSON file that you commit.

PATH as for audit. Use at least 200 samples, drawn like the snapshot's: same
prompts, temperature and length, several per prompt. The check fails if the gate
halts, or if a score fell, or the share of low samples rose, by more than the
tolerance and beyond chance. It says what happened to the samples, and how many
would do if there are too few. docs/ci.md has jobs to paste.

Options can also be set in pyproject.toml, [tool.coherence], or by environment
variables (docs/settings.md). An option overrules both; --explain says where
each setting comes from.

  coherence check samples.jsonl --snapshot good.json --update
  coherence check samples.jsonl --snapshot good.json --junit check.xml
  coherence check samples.jsonl --snapshot good.json --html check.html

With --update --keep-texts 20 the snapshot holds the texts of 20 samples, to
show them when a check fails. In a pipeline (CI is set) --update needs --yes.

Exit status: 0 as well as before, 1 worse, 2 wrong usage or unreadable input,
other settings than the snapshot's, or fewer than 20 samples, 70 an error of
coherence itself, 130 interrupted. Output files are never left half-written."""

COMPARE_HELP = """\
Compare the samples of two checkpoints, without a snapshot: does the second one
write as well as the first?

BEFORE and NOW hold the samples, as for check. The comparisons and the verdict
are the same. A failure shows two answers to one prompt.

  coherence compare before.jsonl now.jsonl
  coherence compare runs/exp6 runs/exp7 --html compare.html

Exit status: 0 as well as before, 1 worse, 2 wrong usage or unreadable input,
other settings, or fewer than 20 samples, 70 an error of coherence itself, 130
interrupted with Ctrl-C or SIGTERM."""

WATCH_HELP = """\
Follow a run that another process writes, and say when its training has
collapsed: rollouts, the samples of an inference server, a file a step.

DIR is the folder that fills. Its samples go through the gate as in a training
loop, and into a run folder, DIR/_coherence, that serve and audit read. Only
what was appended is read. Kill it and start it again: nothing is lost or
counted twice (docs/watch.md).

  coherence watch runs/exp7
  coherence watch rollouts --on-halt 'scancel 4711' --webhook "$SLACK_URL"
  coherence watch rollouts --stop-file runs/exp7/stop
  coherence watch rollouts --once
  coherence watch runs/exp7 --checkpoints runs/exp7 --sampler \
    'python -m coherence.trainers.sample_checkpoint {checkpoint} --prompts p.txt'

When the gate halts, --on-halt runs with the reason as JSON on its standard
input, --stop-file is written for a trainer that looks for it, and the exit
status is 1.

Exit status: 0 --once found no halt, 1 the gate halts, 2 wrong usage or
unreadable input, 70 an error of coherence itself, 130 interrupted with Ctrl-C
or SIGTERM; start it again to resume."""

SERVE_HELP = """\
Live view of a run: the page that audit --html writes, refreshed every 10
seconds. Point it at a folder of runs to see all of them. Samples in another
format, a file or a folder, are audited and shown as a report, again when they
change.

  coherence serve runs/exp7
  coherence serve runs --port 9000
  coherence serve samples.jsonl

Read-only, and reachable only from this machine. From elsewhere use ssh:
ssh -L 8765:localhost:8765 the-machine. With --host 0.0.0.0 anyone who can reach
the machine can read the samples: there is no password.

Exit status: 0 stopped with Ctrl-C or SIGTERM, 2 wrong usage or a port that is
taken, 70 an error of coherence itself."""

SCORE_HELP = """\
Score a text: four scores from 0 to 100, and the phrase it repeats, marked in
the text. Several texts, or the lines of a file, give a table with a row each;
--json is then a list.

  coherence score "Budy Budy Budy Budy"
  head -c 2000 sample.txt | coherence score -
  coherence score "The first text." "The second text."
  coherence score --lines samples.txt --json scores.json

Exit status: 0 scored, 2 wrong usage or unreadable input, 70 an error of
coherence itself."""

PROFILE_HELP = f"reference: {', '.join(SHIPPED)}, or a file (coherence calibrate)"

CALIBRATE_HELP = """\
Measure a reference profile from text of your own: French, records, a toy
grammar. Samples are then scored against that language instead of broad English.
For code, data (JSON, CSV, SQL, markup) and logs profiles come with the package:
--profile code, data or logs.

CORPUS is a text file, a file of JSON lines (keys as in samples), a folder of
both, or nltk:NAME, an NLTK corpus whose data is installed (nothing is
downloaded). Each CORPUS weighs the same; give kinds of text apart. A profile
wants 1,000 tokens of each or more, better 100,000.

  coherence calibrate novels/ news.jsonl -o profile.json
  coherence calibrate nltk:brown nltk:gutenberg -o profile.json
  coherence audit samples.jsonl --profile profile.json

Exit status: 0 written, 2 wrong usage or unreadable input, 70 an error of
coherence itself."""


DEMO_HELP = """\
Show what coherence does, without a run of your own: four small runs that come
with the package, what went wrong in each, and what the audit says of it. Their
reports are written as pages to look at in a browser.

  coherence demo
  coherence demo --out pages

Exit status: 0 shown, 2 wrong usage or a folder that cannot be written, 70 an
error of coherence itself, 130 interrupted with Ctrl-C or SIGTERM."""

NO_COMMAND = re.compile(r"argument COMMAND: invalid choice: '(.*?)' \(")
"""How argparse says that it does not know a command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    if arguments is None:
        # Commands leave almost no garbage in circles: looking for it took a twentieth of an audit.
        gc.set_threshold(COLLECT_EVERY)
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            # A program told to end does as with Ctrl-C: it ends its workers and leaves no files behind.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(arguments)
    except KeyboardInterrupt as ending:
        say(f"coherence: {str(ending) or 'interrupted'}")
        return BROKEN_OFF
    except Exception as error:  # 1, which Python ends with, would say that the gate halts
        _say_unforeseen(error)
        return OWN_ERROR


def _run(arguments: Sequence[str] | None) -> int:
    options = options_of(arguments)
    options.typed = sys.argv[1:] if arguments is None else arguments
    speak(quiet=options.quiet, colour=not options.no_color)
    # No command has work for the threads that numpy would start: they would only wait, and busily.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Imported after the options are read: --help and a wrong option need not wait for numpy and pydantic.
    name = "explain" if getattr(options, "explain", False) else options.command
    command = import_module(f"coherence.cli.{name}")
    try:
        if options.command in OF_A_PROJECT:
            import_module("coherence.cli.settings").settle(options)
        return int(command.run(options))
    except BrokenPipeError:
        silence(sys.stdout)
        return UNUSABLE
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        say(f"coherence: {_describe(error, options)}")
        return UNUSABLE


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the options; what a command does not know is refused by that command, which has its own help."""
    parser, commands = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        commands.get(options.command, parser).refuse(unknown)
    if options.command is None:
        parser.error(f"a command is missing; the commands are {', '.join(COMMANDS)}")
    _refuse_empty(options, commands[options.command])
    return options


def _refuse_empty(options: argparse.Namespace, command: "_Parser") -> None:
    """Refuse a value that is empty, in the words in which a `pyproject.toml` is refused."""
    for action in command._actions:  # nothing public lists them
        value = getattr(options, action.dest, None)
        if action.dest not in MAY_BE_EMPTY and "" in (value if isinstance(value, list) else [value]):
            name = action.option_strings[-1] if action.option_strings else action.metavar
            command.error(f"{name} ''; expected a string that is not empty")


def _say_unforeseen(error: Exception) -> None:
    """Say in a line that an error is one of coherence itself, and if it is asked for where it comes from."""
    if asked := os.environ.get(SHOW_TRACEBACK) == "1":
        for line in "".join(import_module("traceback").format_exception(error)).splitlines():
            say(line)
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    more = "" if asked else f"; {SHOW_TRACEBACK}=1 shows the traceback"
    say(f"coherence: {what} (an error of coherence itself{more})")


def _describe(error: Exception, options: argparse.Namespace) -> str:
    message = str(error)
    if isinstance(error, OSError) and error.filename is not None:
        message = f"{error.filename}: {error.strerror}"
    message = _with_standard_input(message)
    hint = import_module("coherence.cli.nearest").hint_for_value(message, options)
    if given := getattr(options, "given", None):
        message = import_module("coherence.signals.project").name_origin(message, given)
    return f"{message}{hint}"


def _with_standard_input(message: str) -> str:
    """Return a message in which the copy of standard input is called `-`, as a person gave it."""
    name = import_module("coherence.readers.storage").SPOOLED
    if name not in message:
        return message
    folder = os.path.join(import_module("tempfile").gettempdir(), "coherence-")  # noqa: PTH118 - a beginning
    return re.sub(rf"{re.escape(folder)}\w+{re.escape(os.sep + name)}", "-", message)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other error here, and what may have been meant."""

    def error(self, message: str) -> NoReturn:
        if command := NO_COMMAND.search(message):
            hint = import_module("coherence.cli.nearest").hint_for_command(command[1], COMMANDS)
            hint = hint or f"; the commands are {', '.join(COMMANDS)}"
            message = f"{command[1]!r} is not a command{hint}"
        see = f"{' See' if message.endswith('?') else '; see'} '{self.prog} --help'"
        self.exit(UNUSABLE, on_one_line(f"{self.prog}: {message}{see}") + "\n")

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Refuse arguments that nothing takes."""
        hint = import_module("coherence.cli.nearest").hint_for_options(unknown, self)
        self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")


class _About(argparse.Action):
    """Prints what is asked of the program itself: its version, or the completion for a shell."""

    def __call__(
        self, parser: argparse.ArgumentParser, _options: Any, value: Any, _option: Any = None
    ) -> None:
        about = import_module("coherence.cli.about")
        try:
            sys.stdout.write(about.version() if self.dest == "version" else about.completion(parser, value))
        except ValueError as error:
            parser.error(str(error))
        parser.exit(0)


def _parser() -> "tuple[_Parser, dict[str, _Parser]]":
    """Return the parser, and that of each command by its name."""
    described: Any = {"formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = _Parser(prog="coherence", description=HELP, **described)
    parser.set_defaults(command=None, quiet=False, no_color=False)
    add = partial(parser.add_argument, action=_About, default=argparse.SUPPRESS)
    add("-V", "--version", nargs=0, help="version, scorer and optional libraries")
    add("--print-completion", metavar="SHELL", help="completion for bash, zsh or tcsh")
    _add_manner(parser)
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, (summary, text, add_options) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=text, **described)
        command.set_defaults(command=name)
        add_options(command)
        _add_manner(command)
    return parser, commands.choices


def _add_manner(parser: argparse.ArgumentParser) -> None:
    """Add how much is said, and how: before the command or after it."""
    add = partial(parser.add_argument, action="store_true", default=argparse.SUPPRESS)
    add("-q", "--quiet", help="print only errors on standard error")
    add("--no-color", help="no colours (also if NO_COLOR is set)")


def _add_audit(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="run folder, file, pattern or URL; - is standard input")
    _add_reading(parser)
    _add_explain(parser)
    add("--json", metavar="OUT", help="write the whole report as JSON; - is standard output")
    add("--html", metavar="OUT", help="write the report as one page to look at; - is standard output")
    _add_gate(parser)
    add("--seconds-per-step", type=float, metavar="S", help="what a step costs, where samples carry no time")
    add("--scored", metavar="OUT", help="write every scored sample: .jsonl or .parquet")
    add("--workers", type=int, metavar="N", help="number of worker processes (1)")
    add("--ray", metavar="ADDRESS", help="score on a Ray cluster: address, auto or local")


def _add_reading(parser: argparse.ArgumentParser) -> None:
    """Add what a run is read by, and what it is set against."""
    add = parser.add_argument
    add("--loss", metavar="PATH", help="where the losses are, if not next to or inside the samples")
    add("--format", metavar="NAME", help="format of the samples, if it is not recognised")
    _add_fields(parser)
    add("--loss-field", metavar="KEY", help="key of the loss")
    add("--vocab-size", type=int, metavar="V", help="for the uniform baseline ln V")
    add("--profile", metavar="P", help=PROFILE_HELP)


def _add_gate(parser: argparse.ArgumentParser) -> None:
    """Add when the gate halts."""
    add = parser.add_argument
    add(
        "--observe",
        action=argparse.BooleanOptionalAction,
        help="report only: exit 0 even if the gate halts",
    )
    add(
        "--threshold",
        type=float,
        metavar="T",
        help=f"low is below this on every scale ({DEFAULTS.threshold:g})",
    )
    add("--patience", type=int, metavar="N", help=f"low samples that halt ({DEFAULTS.patience})")
    add("--window", type=int, metavar="N", help="among the last N judged samples, not in a row")
    add("--warmup", type=int, metavar="STEP", help=f"ignore samples before STEP ({DEFAULTS.warmup})")


def _add_fields(parser: argparse.ArgumentParser) -> None:
    """Add where rows hold what."""
    add = parser.add_argument
    add("--text-field", metavar="KEY", help="key of the text, or a path: choices[*].text")
    add("--step-field", metavar="KEY", help="key of the step")
    add("--prompt-field", metavar="KEY", help="key of the prompt, which is not scored")


def _add_explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--explain",
        action="store_true",
        help="only say what each file is taken for, and where each setting comes from",
    )


def _add_check(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="run folder, file, pattern or URL; - is standard input")
    add("--snapshot", metavar="FILE", help="what to compare with")
    add("--update", action="store_true", help="write a new snapshot and say what changed")
    add("--keep-texts", type=int, metavar="N", help="texts that --update keeps (as before; 0 at first)")
    add("--yes", action="store_true", help="write the snapshot in a pipeline too")
    _add_explain(parser)
    _add_comparison(parser)
    add("--junit", metavar="OUT", help="write JUnit XML, a test case for each comparison")
    add("--markdown", metavar="OUT", help="write a summary in Markdown; - is standard output")
    add("--gitlab", metavar="OUT", help="write a code quality report for GitLab")
    add("--github", action="store_true", help="annotate for GitHub Actions (automatic inside a job)")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="BEFORE", help="samples of the earlier checkpoint")
    parser.add_argument("now", metavar="NOW", help="samples of the later one")
    _add_comparison(parser)


def _add_comparison(parser: argparse.ArgumentParser) -> None:
    """Add how two sides are read and compared, and where that is written."""
    add = parser.add_argument
    add("--tolerance", type=float, metavar="P", help="points that a score may fall (5)")
    add("--level", type=float, metavar="L", help="chance of a false alarm (0.01)")
    add(
        "--observe",
        action=argparse.BooleanOptionalAction,
        help="the gate does not decide, the comparisons do",
    )
    add("--group-by", metavar="KEY", help="compare within groups: samples alike under KEY")
    _add_fields(parser)
    add("--format", metavar="NAME", help="format of the samples, if it is not recognised")
    add("--profile", metavar="P", help=PROFILE_HELP)
    add("--json", metavar="OUT", help="write the whole check as JSON; - is standard output")
    add("--html", metavar="OUT", help="write the check as one page to look at; - is standard output")


def _add_watch(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", metavar="DIR", help="folder that another process writes to")
    add("--run", metavar="RUN_DIR", help="run folder for what was judged (DIR/_coherence)")
    add("--poll", type=float, default=10.0, metavar="S", help="seconds between two looks (10)")
    add("--once", action="store_true", help="read what is there and exit, for cron")
    add("--on-halt", metavar="CMD", help="command to run on a halt; the reason is JSON on its standard input")
    add("--stop-file", metavar="PATH", help="file to write on a halt, which a trainer looks for")
    add("--webhook", metavar="URL", help='post {"text": reason} on a halt, as Slack takes it')
    add("--alert", action="append", metavar="NAME", help="alert of a tracker on a halt: wandb, trackio")
    add("--checkpoints", metavar="PATH", help="folder of checkpoints to draw samples from")
    add("--sampler", metavar="CMD", help="command that draws them: {checkpoint}, {step}, {output}")
    add("--timeout", type=float, default=600.0, metavar="S", help="seconds that a command may take (600)")
    add("--acknowledge-halt", action="store_true", help="go on with a run that was halted")
    _add_reading(parser)
    _add_gate(parser)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", metavar="PATH", help="run folder, folder of run folders, or samples in any format")
    add("--port", type=int, default=8765, metavar="N", help="port (8765); 0 picks a free one")
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="listen beyond this machine: anyone may read")


def _add_score(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("texts", nargs="*", metavar="TEXT", help="the text, or several; - or nothing is standard input")
    add("--lines", metavar="FILE", help="score each line of a file; - is standard input")
    add("--prompt", help="cut off where the text begins with it")
    add("--profile", metavar="P", help=PROFILE_HELP)
    add("--json", metavar="OUT", help="write scores and loop as JSON; - is standard output")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="DIR", help="folder for the pages (default: a temporary one)")


def _add_calibrate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "corpora",
        nargs="+",
        metavar="CORPUS",
        help="text file, JSON lines, folder, or nltk:NAME",
    )
    add(
        "-o",
        "--output",
        required=True,
        metavar="PROFILE",
        help="where the profile goes; - is standard output",
    )
    add("--name", default="custom", help="its name in reports")
    add("--words", metavar="FILE", help="word list of the language, one word a line")


COMMANDS = {
    "audit": ("where a run went wrong", AUDIT_HELP, _add_audit),
    "check": ("does a checkpoint write as well as before", CHECK_HELP, _add_check),
    "compare": ("two checkpoints, without a snapshot", COMPARE_HELP, _add_compare),
    "watch": ("follow a run that another process writes", WATCH_HELP, _add_watch),
    "serve": ("a live view of runs, in a browser", SERVE_HELP, _add_serve),
    "score": ("texts: four scores, and where they loop", SCORE_HELP, _add_score),
    "calibrate": ("measure a reference profile", CALIBRATE_HELP, _add_calibrate),
    "demo": ("four runs that come with the package, explained", DEMO_HELP, _add_demo),
}
"""Of each command a summary, its help, and what adds its options; `coherence.cli.NAME` does it."""
