# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
# A further package index, e.g. TORCH_INDEX=https://download.pytorch.org/whl/cpu for the small CPU build of torch.
TORCH_INDEX ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
ROOMS := configs core drivers flame_motion generator pipelines renderer training
LINK := .cache/link

.PHONY: demo test test-all lint types clean

demo: $(VENV)/.installed
	@mkdir -p out
	$(BIN)/flamecast animate demo --motion demo -o out/demo.mp4
	@echo "The demo video is $(CURDIR)/out/demo.mp4"

test: lint types
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile

test-all: lint types
	$(BIN)/pytest

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# mypy follows relative imports between rooms only where it sees a folder called flamecast: give it a link.
types: $(VENV)/.installed-test
	@mkdir -p $(LINK) && ln -sfn ../.. $(LINK)/flamecast
	cd $(LINK) && $(abspath $(BIN))/mypy --config-file ../../pyproject.toml $(ROOMS:%=-p flamecast.%)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "flamecast needs Python 3.10, 3.11 or 3.12: say which with make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python cannot make a virtual environment: apt install python3-venv"; exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@.ci/system-libs
	@echo "installing flamecast and what it needs into $(VENV) (a few minutes the first time)"
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) -e ".[app,evaluate,flame,scale,sign,test,train]"
	@touch $@

clean:
	rm -rf $(VENV) .cache out build *.egg-info
