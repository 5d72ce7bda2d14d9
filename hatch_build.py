"""Builds the core, `coherence/scoring/_core`, if there is a C compiler; else the package is pure Python.

    python hatch_build.py      # or `make core`: builds it in place

The compiler is `CC`, or `cc`; `CFLAGS` and `LDFLAGS` are added. `CC=/bin/false` leaves the core out. It has
to be GCC or Clang, because MSVC does not have the vector types of counts.c. On Windows it has to be Clang,
because MinGW has its own logarithm, and the scores would differ from those of Python.
"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # not needed to build in place
    BuildHookInterface = object

SOURCES = "coherence/scoring/core"
MODULE = "coherence/scoring/_core" + (".pyd" if sys.platform == "win32" else ".abi3.so")

# The scores equal Python's to the last bit: operations are not fused or reordered.
FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-Wextra", "-shared")


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Puts the core into the wheel, or into the source tree for an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the core before the wheel, which is then for this platform and any CPython from 3.11 on."""
        if self.target_name != "wheel":
            return
        in_place = version == "editable"
        self._folder = tempfile.mkdtemp(prefix="coherence-core-")
        module = Path(self.root if in_place else self._folder, MODULE)
        module.parent.mkdir(parents=True, exist_ok=True)
        if build(Path(self.root), module):
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{re.sub('[-.]', '_', sysconfig.get_platform())}"
            if not in_place:
                build_data["force_include"][str(module)] = MODULE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what was built for the wheel."""
        if self.target_name == "wheel":
            shutil.rmtree(self._folder)


def build(root: Path, module: Path, *more: str) -> bool:
    """Compile the core; if that fails, print why, leave no module, and return False.

    Args:
        root: the top of the repository.
        module: the file to write.
        more: extra options for the compiler.
    """
    module.unlink(missing_ok=True)  # else one built from other sources would be used
    compiler = shlex.split(os.environ.get("CC") or "cc")
    if sys.implementation.name != "cpython" or shutil.which(compiler[0]) is None:
        print("the core is not built: no C compiler; the plain scorer is used", file=sys.stderr)
        return False
    sources = sorted(map(str, (root / SOURCES).glob("*.c")))
    given = [f"-I{sysconfig.get_path('include')}", f'-DSOURCES="{fingerprint(root)}"', *more, *sources]
    flags, linking = (shlex.split(os.environ.get(name, "")) for name in ("CFLAGS", "LDFLAGS"))
    options = of_platform(sys.platform, sysconfig.get_platform())
    command = [*compiler, *FLAGS, *flags, *given, *options, *linking, "-o", str(module)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the user's CC
    sys.stderr.write(done.stderr)
    if done.returncode:
        print("the core is not built: it was not compiled; the plain scorer is used", file=sys.stderr)
    return not done.returncode


def of_platform(system: str, platform: str) -> list[str]:
    """Return the compiler options for a module on this system, for the machines in the wheel's tag."""
    if system == "win32":
        return [f"-L{Path(sys.base_prefix, 'libs')}", "-lpython3"]
    if system == "darwin":
        machine = platform.rpartition("-")[2]
        machines = ("arm64", "x86_64") if machine == "universal2" else (machine,)
        return ["-undefined", "dynamic_lookup", *(part for each in machines for part in ("-arch", each))]
    return ["-fPIC", "-lm"]


def fingerprint(root: Path) -> str:
    """Return a checksum that identifies a version of the sources; the core has it as `SOURCES`."""
    sources = sorted((root / SOURCES).glob("*.[ch]"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


if __name__ == "__main__":
    top = Path(__file__).parent
    sys.exit(not build(top, top / MODULE, *sys.argv[1:]))
