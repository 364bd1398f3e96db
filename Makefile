# Thin: a target is a few commands, and CI runs the same ones.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-crash test-chaos test-phoenix test-s3s test-prices record bench fuzz lint fmt lint-deny venv \
	venv-checkers venv-clickhouse venv-phoenix venv-stores

TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
VENV := $(CURDIR)/target/venv
VENV_INSTRUCTOR := $(CURDIR)/target/venv-instructor
VENV_CHECKERS := $(CURDIR)/target/venv-checkers
VENV_OTLP := $(CURDIR)/target/venv-otlp
VENV_LANGFUSE := $(CURDIR)/target/venv-langfuse
VENV_PHOENIX := $(CURDIR)/target/venv-phoenix
VENV_CLICKHOUSE := $(CURDIR)/target/venv-clickhouse
VENV_STORES := $(CURDIR)/target/venv-stores
# Of the comparison with litellm: how many calls, and which ones.
CASES := 200000
SEED := 1
SOURCES = $$(git ls-files --cached --others --exclude-standard '*.rs')
# The end-to-end tests start this program.
DEBUG_BIN := TOLLKEEPER_BIN=$(TARGET)/debug/tollkeeper

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## Install what is missing: compiler, Python, Rust
	@sh scripts/setup.sh

run: setup ## Build and start Tollkeeper: http://127.0.0.1:4000/v1
	cargo build --release --locked --package cli
	$(TARGET)/release/tollkeeper up $(ARGS)

test: setup lint venv venv-checkers venv-clickhouse venv-stores ## Everything that CI checks
	@# Programs and tests in one go: apart, they would ask the same crates for different features.
	cargo build --workspace --all-targets --all-features --locked
	$(DEBUG_BIN) cargo test --workspace --all-features --locked --no-fail-fast
	@# A crate outside the workspace, as somebody else would have it, with the versions tested here.
	cp Cargo.lock examples/custom-sink/Cargo.lock
	CARGO_TARGET_DIR=$(TARGET) cargo test --manifest-path examples/custom-sink/Cargo.toml
	@# Twenty thousand calls priced again: the sums must hold at size as well.
	$(TARGET)/debug/examples/reprice 20000
	$(MAKE) test-prices CASES=5000

test-crash: setup ## Twenty-five kills, and a collector away for half a minute
	cargo build --workspace --all-targets --all-features --locked
	$(DEBUG_BIN) TOLLKEEPER_CRASH_ROUNDS=25 TOLLKEEPER_AWAY_S=30 cargo test --all-features --locked \
		--workspace --test e2e -- --nocapture --test-threads 1 crash:: collector_away::

test-chaos: setup ## Destinations that misbehave while the collector is killed fifty times
	TOLLKEEPER_CHAOS_KILLS=50 cargo test --locked --package collector --test chaos -- --nocapture

test-phoenix: setup venv-phoenix ## Calls over OTLP into a real Phoenix, which takes minutes to install
	cargo test --locked --package sinks --features conformance --test receivers -- --ignored phoenix

test-prices: setup venv ## Prices of random calls beside litellm's; CASES=5000 SEED=1 for other ones
	cargo build --release --locked --package cost-map --example calculate
	$(VENV)/bin/python tests/prices/differential.py --calculator $(TARGET)/release/examples/calculate \
		--cases $(CASES) --seed $(SEED)

test-s3s: setup ## Build a server that checks the signatures of S3 (minutes), and ask it
	cargo install --quiet --locked s3s-fs@0.14.1 --features binary --root target/s3s
	cargo test --locked --package sinks --features conformance --test stores -- --ignored

record: setup venv ## Ask litellm again what the recorded cases of providers have to be; CASE=anthropic/whole for one
	$(VENV)/bin/python gateway/tests/recorded/record.py $(CASE)

bench: setup ## Measure, and print tables; PART=gateway, journal, collector, fanout, clickhouse, s3, cost or memory for one
	cargo build --release --locked --package cli --package tests
	$(TARGET)/release/bench $(PART)

fuzz: setup ## Fuzz what parses outside bytes, a minute each; needs a nightly toolchain
	cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
	cd tests/fuzz && for target in aws_frames chat_request dialect event_codec frames journal_recovery openai_stream price_map question; do \
		cargo +nightly fuzz run --fuzz-dir . $$target -- -max_total_time=60 || exit 1; done

lint: setup ## Format, clippy, and cargo-deny where it is installed
	@# `cargo fmt` does not see the modules that a macro declares.
	rustfmt --check --edition 2024 $(SOURCES)
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; \
		then cargo deny --all-features --locked check bans licenses sources; \
		else echo "lint: no cargo-deny here, skipped; \`make lint-deny\` installs it"; fi

fmt: ## Format every file
	rustfmt --edition 2024 $(SOURCES)

lint-deny: setup ## Install cargo-deny (takes minutes) and check licences and sources
	cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny --all-features --locked check bans licenses sources

# Not compiled: most of it is never imported, and what is keeps its bytecode after the first time.
define INSTALL
	rm -rf $(@D)
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --no-deps --no-compile --requirement $<
	@touch $@
endef

venv: $(VENV)/.ready $(VENV_INSTRUCTOR)/.ready $(VENV_OTLP)/.ready $(VENV_LANGFUSE)/.ready ## Install the Python programs that the tests run
$(VENV)/.ready: tests/python/requirements.txt | setup
	$(INSTALL)
$(VENV_INSTRUCTOR)/.ready: tests/python/requirements-instructor.txt | setup
	$(INSTALL)

venv-checkers: $(VENV_CHECKERS)/.ready ## Install the libraries that check what sinks send
$(VENV_CHECKERS)/.ready: tests/python/requirements-checkers.txt | setup
	$(INSTALL)
$(VENV_OTLP)/.ready: tests/python/requirements-otlp.txt | setup
	$(INSTALL)
$(VENV_LANGFUSE)/.ready: tests/python/requirements-langfuse.txt | setup
	$(INSTALL)
venv-phoenix: $(VENV_PHOENIX)/.ready ## Install Phoenix
$(VENV_PHOENIX)/.ready: tests/python/requirements-phoenix.txt | setup
	$(INSTALL)

venv-clickhouse: $(VENV_CLICKHOUSE)/.ready ## Install ClickHouse's engine as a library (600 MB)
$(VENV_CLICKHOUSE)/.ready: tests/python/requirements-clickhouse.txt | setup
	$(INSTALL)

venv-stores: $(VENV_STORES)/.ready ## Install the object stores that sinks are tested on
$(VENV_STORES)/.ready: tests/python/requirements-stores.txt | setup
	$(INSTALL)
