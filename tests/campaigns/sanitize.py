"""The tests of the core, run with one that GCC has made to end the program at what C does not allow.

    python tests/campaigns/sanitize.py                         # or `make sanitize`
    python tests/campaigns/sanitize.py thread -k threads

`address`, the usual, is AddressSanitizer and UndefinedBehaviorSanitizer; `thread` is ThreadSanitizer, which
finds where two threads reach for the same memory. What else is given goes to pytest.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "support"))
from cores import build_core
from places import ROOT

SANITIZERS = {"address": ("address,undefined", "libasan.so"), "thread": ("thread", "libtsan.so")}
TESTS = ("tests/scoring/test_core.py", "tests/scoring/test_batch.py", "tests/scoring/test_scores.py")

# A report is not captured, so that it is seen; and address space, of which AddressSanitizer takes terabytes,
# cannot be limited.
OPTIONS = ("-p", "sanitized_core", "--capture=sys", "-k", "not memory_runs_out")


def main(which: str = "address", *arguments: str) -> int:
    """Run the tests; return the exit status of pytest, or that of the sanitizer."""
    sanitizers, runtime = SANITIZERS[which]
    flags = f"-g -O1 -fno-omit-frame-pointer -fsanitize={sanitizers} -fno-sanitize-recover=all"
    os.environ |= {"CC": "gcc", "CFLAGS": flags}  # of what the tests compile too
    asked = ["gcc", f"-print-file-name={runtime}"]
    found = subprocess.run(asked, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    with tempfile.TemporaryDirectory() as folder:
        watched = {
            "CORE_OF_TESTS": str(build_core(Path(folder))),
            "LD_PRELOAD": found.stdout.strip(),
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",  # of Python there are many
            "TSAN_OPTIONS": "halt_on_error=1",
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests/support"))),
        }
        command = [sys.executable, "-m", "pytest", "-m", "", *OPTIONS, *TESTS, *arguments]
        return subprocess.run(command, cwd=ROOT, env=os.environ | watched, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
