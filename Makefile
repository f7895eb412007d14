# `make help` lists what there is. Everything built lies in .venv, target and .cache; data of `make run` in data.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The system's Python where it will do: Debian builds it with profile-guided optimisation, which saves about
# a tenth of every call. Without root it must have its venv module already.
find_python = for python in /usr/bin/python3 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	if [ "$$(id -u)" = 0 ] || $$python -c 'import ensurepip, venv' 2>/dev/null; then echo $$python; break; fi; done
PYTHON ?= $(or $(shell $(find_python)),python3)
# The oldest Rust that will do, and where rustup puts it, whether or not this shell knows yet.
RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
export PATH := $(HOME)/.cargo/bin:$(PATH)
DATA ?= data
ARGS ?=
FUZZ_SECONDS ?= 60
TEST_ARGS ?=

BIN := .venv/bin
STAMPS := .cache/stamps
COMPILED := $(CURDIR)/.cache/compiled
RUST_SOURCES := $(shell find rust -name '*.rs' -not -path '*/target/*') $(wildcard rust/*/Cargo.toml) Cargo.toml Cargo.lock

SOUND_PROGRAMS := espeak-ng:espeak-ng sox:sox
TEST_PROGRAMS := chromium:chromium linphonec:linphone-cli pebble:pebble baresip:baresip-core sipp:sip-tester tshark:tshark sox:sox stunnel4:stunnel4 \
	openssl:openssl ip:iproute2 nft:nftables aplay:alsa-utils espeak-ng:espeak-ng age:age flac:flac opusdec:opus-tools :libbzrtp0 :libbcg729-0
# Tests run a database server of their own; Debian's would start one for everybody as soon as it is installed.
POSTGRES_PROGRAMS := /usr/lib/postgresql/*/bin/initdb
BENCH_PROGRAMS := rtpengine:rtpengine-daemon kamailio:kamailio taskset:util-linux :libbzrtp0

# Most of what passes through the packages that are compiled.
COMPILED_TESTS := tests/sip tests/calls tests/hostile
FRONTEND_SOURCES := $(shell find frontend -type f -not -path '*/node_modules/*')
# Everything that the compiled copy of the package is made of; folders too, for what is deleted.
PACKAGE_FILES := $(shell find python/sealtone -mindepth 1 -name __pycache__ -prune -o -path python/sealtone/sounds -prune \
	-o -path python/sealtone/web/static -prune \
	-o -not -name '*.so' -not -name sealtone-codecs -print)

comma := ,
# Libraries that codecs are taken from, where they are there: library:package.
CODEC_LIBRARIES := libopus.so.0:libopus0 libgsm.so.1:libgsm1 libspeex.so.1:libspeex1

say = @printf '\033[1m==> %s\033[0m\n' "$(1)"

has_headers = test -e "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h"

# Installs Debian packages when root; else names the command to run.
define apt_install
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	printf '\033[1m==> Installing Debian packages: %s\033[0m\n' "$(strip $(1))"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(1) >/dev/null; \
else \
	printf 'Something is missing. Install it, then repeat this command:\n  sudo apt-get install %s\n' "$(strip $(1))" >&2; \
	exit 1; \
fi
endef

# The same for the packages of those programs (program:package …) that are missing. A library has no program to look
# for (:package), so that the package itself is asked for.
define install_programs
@missing=; PATH="$$PATH:/usr/sbin:/sbin"; \
for pair in $(1); do program="$${pair%%:*}"; package="$${pair##*:}"; \
	if [ -n "$$program" ]; then command -v "$$program"; \
	else dpkg-query --show --showformat '$${db:Status-Status}' "$$package" 2>/dev/null | grep -x installed; \
	fi >/dev/null || missing="$$missing $$package"; \
done; \
if [ -n "$$missing" ]; then $(call apt_install,$$missing); fi
endef

define install_postgresql
@if ! ls $(POSTGRES_PROGRAMS) >/dev/null 2>&1; then \
	if ! $(call apt_install,postgresql-common); then exit 1; fi; \
	printf '%s\n' 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf; \
	$(call apt_install,postgresql); \
fi
endef

# Codecs whose library is missing are not offered; nothing else is lost, so that this never fails.
define install_codec_libraries
@missing=; known=$$(PATH="$$PATH:/usr/sbin:/sbin" ldconfig -p); \
for pair in $(CODEC_LIBRARIES); do \
	grep -qF "$${pair%%:*} " <<<"$$known" || missing="$$missing $${pair##*:}"; \
done; \
if [ -n "$$missing" ] && ! ($(call apt_install,$$missing)) 2>/dev/null; then \
	printf 'Not offered, for want of their libraries, are the codecs of:%s\n' "$$missing"; \
	printf 'On Debian: sudo apt-get install%s\n' "$$missing"; \
fi
endef

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: $(STAMPS)/compiled $(STAMPS)/sounds $(STAMPS)/frontend ## Build if needed, start the server in DATA (=data); options in ARGS
	$(call install_codec_libraries)
	@PYTHONPATH=$(COMPILED) exec $(BIN)/sealtone serve --data $(DATA) $(ARGS)

.PHONY: demo
demo: $(STAMPS)/compiled $(STAMPS)/sounds ## A call between two phones of our own, and what a wiretap sees of it
	@PYTHONPATH=$(COMPILED) exec $(BIN)/sealtone demo $(ARGS)

.PHONY: build
build: $(STAMPS)/compiled $(STAMPS)/sounds $(STAMPS)/frontend ## Build only

.PHONY: frontend
frontend: $(STAMPS)/frontend ## Build what the panel sends to browsers

.PHONY: test
test: $(STAMPS)/dev $(STAMPS)/compiled $(STAMPS)/sounds $(STAMPS)/frontend ## Every test, with real phones; options for pytest in TEST_ARGS
	$(call install_programs,$(TEST_PROGRAMS))
	$(call install_postgresql)
	$(call install_codec_libraries)
	$(call say,Rust tests)
	@cargo test --workspace --release --locked --quiet
	$(call say,Python tests)
	@$(BIN)/python -m pytest $(TEST_ARGS)
	$(call say,Python tests of signalling$(comma) calls and attacks once more$(comma) compiled as make run has them)
	@[ -d $(COMPILED) ] || { cat .cache/compile.log; exit 1; }
	@$(BIN)/python -m pytest -o pythonpath="$(COMPILED) tests sounds" $(COMPILED_TESTS) $(TEST_ARGS)

.PHONY: lint
lint: $(STAMPS)/dev $(STAMPS)/engine ## Formatting, linters, types, floors
	$(call say,ruff)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	$(call say,mypy)
	@$(BIN)/mypy
	$(call say,import-linter)
	@PYTHONPATH=python $(BIN)/lint-imports --no-cache
	$(call say,rustfmt and clippy)
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets --release --locked --quiet -- -D warnings
	$(call say,lock files of what stands outside the workspace)
	@for at in benches/loadgen fuzz/media; do \
		cargo metadata --locked --format-version 1 --quiet --manifest-path $$at/Cargo.toml >/dev/null; done

.PHONY: fmt
fmt: $(STAMPS)/dev ## Format everything
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .
	@cargo fmt --all

.PHONY: bench
bench: $(STAMPS)/bench $(STAMPS)/compiled $(STAMPS)/frontend ## Benchmarks beside rtpengine, Kamailio, sippy and libbzrtp (about a quarter of an hour)
	$(call install_programs,$(BENCH_PROGRAMS))
	@$(BIN)/python -m benches $(ARGS)

.PHONY: screenshots
screenshots: $(STAMPS)/dev $(STAMPS)/engine $(STAMPS)/frontend ## A picture of each page, light, dark and on a phone, into build/screenshots
	$(call install_programs,chromium:chromium)
	@rm -rf build/screenshots
	@SEALTONE_SCREENSHOTS=$(CURDIR)/build/screenshots $(BIN)/python -m pytest tests/browser/test_accessibility.py -k every_page
	@ls build/screenshots/*

.PHONY: fuzz
fuzz: $(STAMPS)/fuzz $(STAMPS)/engine ## Every fuzz target for FUZZ_SECONDS (=60) each
	@for target in fuzz/[sz]*/fuzz_*.py; do \
		printf '\033[1m==> %s\033[0m\n' "$$target"; \
		folder=$$(dirname "$$target"); name=$$(basename "$$target" .py); \
		work="$$folder/corpus-work/$$name"; seeds="$$folder/corpus"; \
		[ -d "$$seeds/$${name#fuzz_}" ] && seeds="$$seeds/$${name#fuzz_}"; \
		mkdir -p "$$work" "$$folder/artifacts"; \
		PYTHONPATH=python $(BIN)/python "$$target" -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
			-artifact_prefix="$$folder/artifacts/" "$$work" "$$seeds"; \
	done
	@if cargo +nightly fuzz --version >/dev/null 2>&1; then \
		for target in $$(cd fuzz/media && cargo +nightly fuzz list --fuzz-dir .); do \
			printf '\033[1m==> media: %s\033[0m\n' "$$target"; \
			(cd fuzz/media && cargo +nightly fuzz run --fuzz-dir . "$$target" -- -max_total_time=$(FUZZ_SECONDS)); \
		done; \
	else \
		printf 'The Rust targets need: rustup toolchain install nightly && cargo install cargo-fuzz\n' >&2; exit 1; \
	fi

.PHONY: lock
lock: $(STAMPS)/dev ## Renew the pinned Python packages
	@command -v $(BIN)/uv >/dev/null || $(BIN)/python -m pip install --quiet uv
	@for name in run compile dev quality peers bench fuzz; do \
		case $$name in quality|peers) alone=--no-deps;; *) alone=;; esac; \
		$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
			--no-annotate --universal --python-version 3.11 $$alone requirements/$$name.in -o requirements/$$name.txt; \
	done

.PHONY: clean
clean: ## Remove everything built; data stays
	@rm -rf .venv target .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache benches/loadgen/target
	@find python tests benches fuzz -name __pycache__ -type d -prune -exec rm -rf {} +
	@rm -rf python/sealtone/media/_engine*.so python/sealtone/media/sealtone-codecs python/sealtone/sounds
	@rm -rf frontend/node_modules python/sealtone/web/static

# Set-up. Each stamp stands for a finished step, so that the second time costs nothing.

$(STAMPS)/python:
	@mkdir -p $(STAMPS)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { $(call apt_install,python3 python3-venv); }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		printf 'Sealtone needs Python 3.11 or newer, as Debian 12 has it.\n' >&2; \
		printf 'Another one can be named: make PYTHON=/path/to/python3 …\n' >&2; exit 1; }
	$(call say,Making the Python environment)
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@touch $@

# Each set of packages contains the one before it; installing a larger one is enough.
$(STAMPS)/run: requirements/run.txt $(STAMPS)/python
	$(call say,Installing Python packages)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(STAMPS)/compile: requirements/compile.txt $(STAMPS)/run
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(STAMPS)/dev: requirements/dev.txt requirements/quality.txt requirements/peers.txt $(STAMPS)/compile
	$(call say,Installing test tools)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(has_headers) || { $(call apt_install,build-essential python3-dev); }
	@# Built from source, with what is pinned and not with whatever a build environment of its own would fetch.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-build-isolation \
		-r requirements/quality.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
		-r requirements/peers.txt || printf 'Tests with phones and codecs of PyPI (requirements/peers.in) are skipped.\n'
	@touch $@

$(STAMPS)/bench $(STAMPS)/fuzz: $(STAMPS)/%: requirements/%.txt $(STAMPS)/dev
	$(call say,Installing packages for make $*)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Debian 13 and later have rustup as a package. Where there is none, rustup.rs has it. The crate that compiles SILK reads
# C headers with libclang, the one that compiles Opus uses cmake.
$(STAMPS)/rust:
	@mkdir -p $(STAMPS)
	$(call install_programs,cc:build-essential cmake:cmake $(if $(shell command -v dpkg-query),:libclang-dev))
	@fits() { version=$$(rustc --version 2>/dev/null | cut -d' ' -f2) && printf '%s\n' $(RUST) "$$version" | sort -VC; }; \
	if ! fits && [ "$$(id -u)" = 0 ] && ! command -v rustup >/dev/null \
		&& { apt-get update -qq; [ -n "$$(apt-cache policy rustup | sed -n '/Candidate: [0-9]/p')" ]; }; then \
		$(call apt_install,rustup); rustup default stable || true; \
	fi; \
	fits || { \
		printf 'Sealtone needs Rust $(RUST) or newer. Install it, then repeat this command:\n' >&2; \
		if command -v rustup >/dev/null; then printf '  rustup default stable && rustup update stable\n' >&2; \
		else \
			command -v curl >/dev/null || printf '  sudo apt-get install curl ca-certificates\n' >&2; \
			printf "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal\n" >&2; \
		fi; exit 1; }
	@touch $@

$(STAMPS)/engine: $(RUST_SOURCES) pyproject.toml $(STAMPS)/run $(STAMPS)/rust
	$(call say,Building the media core (the first time takes some minutes))
	@cargo build --release --locked --quiet --package sealtone-codec-process --bin sealtone-codecs
	@install -s -m 755 target/release/sealtone-codecs python/sealtone/media/sealtone-codecs
	@PIP_QUIET=2 VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/maturin develop --release --locked --quiet
	@touch $@

# Compiled, a call costs a quarter less. Where that cannot be done the server runs as well, interpreted.
$(STAMPS)/compiled: $(PACKAGE_FILES) tools/compile.py $(STAMPS)/engine $(STAMPS)/compile $(STAMPS)/frontend
	@if [ "$$(id -u)" = 0 ] && [ "$$(readlink -f $(BIN)/python)" = "$$(readlink -f /usr/bin/python3)" ]; then \
		$(has_headers) || ($(call apt_install,python3-dev)) || true; fi
	$(call say,Compiling the packages that calls pass through (some minutes$(comma) where they have changed))
	@$(BIN)/python tools/compile.py $(COMPILED) >.cache/compile.log 2>&1 || { rm -rf $(COMPILED); \
		printf 'Not compiled, so that each call costs more: %s (.cache/compile.log). To try again: rm %s\n' \
			"$$(tail -n 1 .cache/compile.log | cut -c -80)" $@ >&2; }
	@touch $@

# What the server says and plays. A server without a voice still runs, so that missing programs stop nothing here:
# root gets them, anybody else is told, and the next time they are looked for again.
$(STAMPS)/sounds: $(wildcard sounds/*) python/sealtone/zrtp/words.py $(STAMPS)/run
	@if [ "$$(id -u)" = 0 ]; then $(MAKE) sound-programs || true; fi
	$(call say,Making the sounds)
	@PYTHONPATH=python $(BIN)/python sounds/build.py python/sealtone/sounds && touch $@ || true

# What the panel sends to browsers, bundled of frontend/ and of the packages its lock names. Their install scripts do
# not run; the one program among them, esbuild, comes as a package of its own for each kind of machine.
$(STAMPS)/frontend: $(FRONTEND_SOURCES)
	@mkdir -p $(STAMPS)
	$(call install_programs,node:nodejs npm:npm)
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 18 ? 1 : 0)' || { \
		printf 'Building the panel needs Node.js 18 or newer, as Debian 12 has it.\n' >&2; exit 1; }
	$(call say,Building what the panel sends to browsers)
	@cd frontend && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null && node build.mjs
	@touch $@

.PHONY: sound-programs
sound-programs:
	$(call install_programs,$(SOUND_PROGRAMS))
