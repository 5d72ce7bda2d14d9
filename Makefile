# One definition of each check. `make check` is what a reviewer runs.
PY ?= python3

.PHONY: check lint types test core sanitize wordlist bench record lock
check: lint types test

lint:
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types:
	$(PY) -m mypy

test:
	$(PY) -m pytest

core: ## build the core in C in place; `make core CC=clang`, `make core PY=...`
	$(PY) hatch_build.py -Werror

sanitize: ## the tests of the core, with its memory and its arithmetic watched (GCC, Linux)
	$(PY) tests/campaigns/sanitize.py

wordlist: ## rebuild wordlists/english.txt from the SCOWL lists (Debian package scowl)
	$(PY) wordlists/build.py

bench: ## what everything costs, beside the bars that are set, and the peers that are installed
	$(PY) benchmarks/speed.py
	$(PY) benchmarks/throughput.py

record: ## append the cheap ratios to benchmarks/history.jsonl, and show the last ones
	$(PY) benchmarks/record.py

lock: ## the tools of a developer, each in one version: requirements-dev.lock (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-package coherence-gate --no-emit-index-url --no-emit-find-links --no-annotate \
		--custom-compile-command "make lock" --quiet --output-file requirements-dev.lock
