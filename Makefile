# make run: from a fresh clone to the chat page. make test: the whole suite. Both make .venv first.
PYTHON ?= python3
PORT ?= 8000
SHEET ?= data/qa.csv
INDEX ?= data/index
BIN := .venv/bin
# PyTorch's own CPU index is far smaller than the default build. It is tried first and briefly; where it cannot be
# reached, the plain pin is taken, so that one command works with and without the open network.
TORCH := torch==2.13.0
CPU_TORCH := --retries 0 --timeout 5 --index-url https://download.pytorch.org/whl/cpu

.PHONY: run test install index check format clean
.DEFAULT_GOAL := help

help:
	@echo "make run            install, build the index of $(SHEET), serve the chat page (PORT=$(PORT))"
	@echo "make test           install, run every check and test"
	@echo "make check          formatting, types and floors only"
	@echo "make format         format the code"
	@echo "make clean          remove .venv and the index"

# The build looks at the sheet's content and is done in half a second where nothing has changed.
run: index
	@$(BIN)/web serve --index $(INDEX) --port $(PORT)

index: .venv/installed
	@$(BIN)/indexer build $(SHEET) --out $(INDEX)

install: .venv/installed

.venv/installed: pyproject.toml
	@echo "Making .venv ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing PyTorch for the CPU (1 of 2, about a minute) ..."
	@$(BIN)/pip install -q --disable-pip-version-check $(CPU_TORCH) $(TORCH) 2>/dev/null \
		|| $(BIN)/pip install -q --disable-pip-version-check $(TORCH)
	@echo "Installing the rest (2 of 2, about a minute) ..."
	@$(BIN)/pip install -q --disable-pip-version-check -e .
	@touch $@

.venv/tested: .venv/installed
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@

check: .venv/tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/tested
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: check
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/pytest -n 2

clean:
	rm -rf .venv $(INDEX)
