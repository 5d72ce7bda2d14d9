"""A plugin of pytest that takes another core for the whole session: the file that CORE_OF_TESTS names."""

import os
from pathlib import Path

from cores import take_core

if core := os.environ.get("CORE_OF_TESTS"):  # pytest imports it too where it looks for examples
    take_core(Path(core))
