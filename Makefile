# A fresh machine needs nothing else: `make demo` and `make test` build .venv themselves.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE ?= 1
export HF_EVALUATE_OFFLINE ?= 1
export HF_HUB_DISABLE_TELEMETRY ?= 1

.venv/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.PHONY: demo demo-rejected lint test test-slow bench docs

demo: .venv/.ready  ## the embedded model, prompted against fine-tuned, ending in a decision
	test -d demo-run || $(BIN)/harness init demo-run
	$(BIN)/harness run demo-run/experiment.yaml

demo-rejected: .venv/.ready  ## the other side: an over-trained full fine-tune that is rejected
	test -d demo-run || $(BIN)/harness init demo-run
	$(BIN)/harness run demo-run/overtrained.yaml; test $$? -eq 4

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint  ## lint, format, types and every fast test
	$(BIN)/pytest -m 'not slow'

test-slow: .venv/.ready  ## the checks that train for minutes
	$(BIN)/pytest -m slow

bench: .venv/.ready  ## what the demo model can do, measured with trl, peft and transformers directly
	for bench in tests/bench/bench_*.py; do $(BIN)/python $$bench || exit 1; done

docs: .venv/.ready  ## the reference pages, from the code
	$(BIN)/python docs/generate.py
