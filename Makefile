# make run    everything a fresh machine needs, then the studio on port 6006
# make test   format, lint, types, unit, integration and browser tests
# make prove  the long proofs and the benchmarks in full; writes docs/proof/*.json

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 6006
BIN := .venv/bin

.PHONY: run setup test prove benchmarks pictures

run: setup
	$(BIN)/streamlit run Home.py --server.port $(PORT)

setup: .venv/ready
	@$(BIN)/python -m engine starters

test: setup .venv/ready-dev
	@sh tests/install_chromium.sh
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python -m pytest

prove: setup .venv/ready-dev
	@sh tests/install_chromium.sh
	STUDIO_PROVE=1 $(BIN)/python -m pytest
	$(MAKE) benchmarks

benchmarks: setup .venv/ready-dev
	$(BIN)/python -m benchmarks.streaming
	$(BIN)/python -m benchmarks.batching
	$(BIN)/python -m benchmarks.concurrent_chat
	$(BIN)/python -m benchmarks.first_paint
	$(BIN)/python -m benchmarks.preparation --million
	$(BIN)/python -m benchmarks.near_duplicates
	$(BIN)/python -m benchmarks.compare_runs
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.dpo
	$(BIN)/python -m benchmarks.knowledge_speed
	$(BIN)/python -m benchmarks.knowledge_quality
	$(BIN)/python -m benchmarks.drawing
	$(BIN)/python -m benchmarks.dreambooth

pictures: setup .venv/ready-dev
	@sh tests/install_chromium.sh
	$(BIN)/python docs/take_pictures.py

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip

.venv/ready: requirements.txt requirements-starters.txt | .venv/bin/python
	$(BIN)/pip install --quiet -r requirements.txt
	$(BIN)/pip install --quiet --no-deps -r requirements-starters.txt
	@touch $@

.venv/ready-dev: requirements-dev.txt requirements-cluster.txt .venv/ready
	$(BIN)/pip install --quiet -r requirements-dev.txt
	@touch $@
