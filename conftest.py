"""Where a trainer's library is absent, its adapter's examples are not collected."""

import os
from importlib.util import find_spec

NEEDS = {"torch_loop": "torch", "huggingface": "transformers", "lightning": "lightning", "keras": "keras"}

collect_ignore = [f"{adapter}.py" for adapter, library in NEEDS.items() if find_spec(library) is None]

os.environ.setdefault("KERAS_BACKEND", "torch")
