"""Reports that a run was halted: through a file that a trainer looks for, and a command that gets the reason.

Source: docs/watch.md, "When the gate halts".
"""

import json
import logging
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from coherence.escape import printable
from coherence.readers.folder import STATUS
from coherence.report import Status
from coherence.run.stop import ask_to_stop
from coherence.watch.commands import end, start

log = logging.getLogger("coherence")


class Halt(NamedTuple):
    """The report of a halt.

    Attributes:
        folder: the folder that is followed; run: the run folder, with everything that was judged.
        step: the step of the sample that halted; None if the status of the run does not contain it.
        resume_from: the step to go back to, if there is one.
    """

    event: str
    reason: str
    step: int | None
    resume_from: int | None
    sentence: str
    folder: str
    run: str

    def to_json(self) -> str:
        """Return it as a JSON object."""
        return json.dumps(self._asdict())


def halt_of(folder: Path, run: Path, reason: str) -> Halt:
    """Return the report of a halted run, from the status in its run folder.

    Args:
        folder: the folder that is followed.
        run: the run folder.
        reason: the reason of the halt, used if there is no status.
    """
    step = resume_from = None
    sentence = ""
    with suppress(OSError, ValueError):
        status = Status.from_json((run / STATUS).read_bytes())
        if status.gate.halted:
            step, resume_from, reason = status.step, status.resume_from, status.gate.reason or reason
            sentence = status.diagnosis.sentence
    return Halt("halt", reason, step, resume_from, sentence, str(folder.absolute()), str(run.absolute()))


def tell(halt: Halt, command: str | None, stop_file: Path | None, timeout: float) -> bool:
    """Report that a run was halted; return whether everything succeeded.

    Args:
        halt: the report.
        command: for a shell; it gets the halt as JSON on standard input.
        stop_file: the file that a trainer looks for.
        timeout: seconds after which the command is ended.
    """
    done = True
    if stop_file is not None:
        try:
            ask_to_stop(stop_file, halt._asdict())
        except OSError as error:
            log.warning("%s: cannot be written: %s", stop_file, error.strerror or error)
            done = False
    return (command is None or _run(command, halt, timeout)) and done


def _run(command: str, halt: Halt, timeout: float) -> bool:
    """Run the user's command; return whether it succeeded in time."""
    process = start(command, subprocess.PIPE)
    try:
        process.communicate((halt.to_json() + "\n").encode(), timeout)
    except subprocess.TimeoutExpired:
        log.warning("--on-halt: %s: ended after %g seconds", printable(command), timeout)
        return False
    finally:
        if process.poll() is None:
            end(process.pid)
            process.wait()
    if process.returncode:
        log.warning("--on-halt: %s: exit status %d", printable(command), process.returncode)
    return not process.returncode
