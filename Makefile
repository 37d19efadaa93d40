# make demo and make test set everything up on a fresh machine; nothing else is needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export HF_HUB_OFFLINE = 1
export TOKENIZERS_PARALLELISM = false

.PHONY: demo test lint bench faults shots docs sample clean

$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo]'
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,hub,dev]'
	touch $@

demo: $(VENV)/.demo
	$(BIN)/probekit run quickstart --jobs 2
	$(BIN)/probekit run agreement --jobs 2 --claims
	$(BIN)/probekit run number_is_used --jobs 2 --claims
	$(BIN)/probekit run adaptation --jobs 2

test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

faults: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m faults -o addopts="-q --import-mode=importlib"

bench: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

shots: $(VENV)/.demo
	$(BIN)/python reports/shots.py $(RUN)

docs: $(VENV)/.demo
	$(BIN)/python docs/make_cli.py

sample: $(VENV)/.demo
	$(BIN)/python reports/make_sample.py

clean:
	rm -rf $(VENV) dist build shots
