"""A pytest plugin that uses another core for the whole session: the file that CORE_OF_TESTS names."""

import os
from pathlib import Path

from cores import take_core

if core := os.environ.get("CORE_OF_TESTS"):  # pytest also imports this file to look for doctests
    take_core(Path(core))
