"""A plugin of pytest that takes another core for the whole session: the file that CORE_OF_TESTS names."""

import os
from pathlib import Path

from cores import take_core

take_core(Path(os.environ["CORE_OF_TESTS"]))
