# Two commands do everything: `make demo` and `make test`. `make help` lists the others.

# Units run charms on the distribution's Python, so the tests do too, where it is new enough.
ifndef PYTHON
PYTHON := $(shell /usr/bin/python3 -c 'import ensurepip, sys, venv; \
	sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo /usr/bin/python3 || echo python3)
endif
BIN := .venv/bin
LIBRARY := lib/charms/smtp_integrator/v0/smtp.py
UV_VERSION := $(shell awk '/^name = "uv"$$/ { getline; gsub(/"/, "", $$3); print $$3 }' uv.lock)
export UV_PYTHON_DOWNLOADS := never
# Hundreds of processes import the same modules, so they are compiled once, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

REQUIRER := tests/integration/requirer
FORWARDER := charms/smtp-forwarder
SINK := charms/smtp-sink
COMMON := $(wildcard charms/common/unit_service/*.py)
OAUTH := $(wildcard src/smtp_oauth/*.py)
CHARMS := build/localjuju/smtp-integrator.charm build/localjuju/smtp-sink.charm \
	build/localjuju/smtp-forwarder.charm build/localjuju/smtp-requirer.charm
PACK := $(BIN)/python -m localjuju.pack --cache build/venvs

.PHONY: help demo test test-default test-other test-releases unit integration resilience lint \
	format docs bench bench-hooks bench-forwarder charm charms packages relay-check requirements clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo          deploy the charm on localjuju and watch a message arrive'
	@echo 'make test          run all tests that need no cloud'
	@echo 'make test-releases run the integration tests on each release of Juju, all of them'
	@echo 'make unit          run the unit tests'
	@echo 'make integration   run the integration tests on localjuju'
	@echo 'make resilience    kill and cut all that must survive it, and let random operators loose'
	@echo 'make lint          check code, prose and types'
	@echo 'make format        format the code'
	@echo 'make docs          build the site of the documentation into build/docs'
	@echo 'make bench         measure what a hook costs, and how much the forwarder passes on'
	@echo 'make charms        pack the charms without charmcraft, for localjuju'
	@echo 'make relay-check   build build/relay-check.pyz, which checks a relay from any machine'
	@echo 'make packages      build the packages for PyPI into build/packages'
	@echo 'make charm         pack the charms with charmcraft'
	@echo 'make requirements  lock the dependencies anew, and export them'
	@echo 'make clean         remove all that the other targets made'

demo: $(CHARMS)
	@$(BIN)/python docs/demo.py

# On the default release, and beside that what touches a difference on the other one too. make runs
# the two, because what a shell puts into its background does not hear of Ctrl-C.
test: $(CHARMS)
	@$(MAKE) --no-print-directory -j2 test-default test-other; failed=$$?; \
	cat build/test-other.log; exit $$failed

test-default: $(CHARMS)
	$(BIN)/pytest -n auto

test-other: $(CHARMS)
	@mkdir -p build
	@$(BIN)/pytest -m releases --juju-release=3.6 tests/integration > build/test-other.log 2>&1

test-releases: $(CHARMS)
	$(BIN)/pytest -n auto
	$(BIN)/pytest -n auto --juju-release=3.6 tests/integration

unit: .venv/synced
	$(BIN)/pytest tests/unit

integration: $(CHARMS)
	$(BIN)/pytest -n auto tests/integration

resilience: $(CHARMS)
	$(BIN)/pytest -n auto --dist=load --resilience=full tests/resilience
	$(BIN)/pytest --resilience=full tests/integration/test_oauth.py

lint format docs: .venv/synced
	$(BIN)/tox run --quiet -e $@

bench: bench-hooks bench-forwarder

bench-hooks: $(CHARMS)
	$(BIN)/python -m bench --output docs/reference/hook-cost.md

bench-forwarder: .venv/synced
	$(BIN)/python -m bench.forwarding --output docs/reference/forwarder-speed.md

charms: $(CHARMS)

# The environment of all the tools, from the lock file.
.venv/synced: uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || \
		{ echo 'Python 3.10 or newer is missing: run make PYTHON=python3.12, for example' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo 'the module venv is missing: on Debian and Ubuntu run apt install python3-venv' >&2; exit 1; }
	@echo 'setting up .venv'
	@test -x $(BIN)/uv || $(PYTHON) -m venv --clear .venv
	@test -x $(BIN)/uv || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv sync --frozen --quiet --all-groups --no-group docs --no-group terraform --python $(BIN)/python
	@touch $@

build/localjuju/smtp-integrator.charm: charmcraft.yaml config.yaml requirements.txt $(LIBRARY) \
		$(shell find src -name '*.py') $(wildcard localjuju/pack*) .venv/synced
	@$(PACK) . --output $@

build/localjuju/smtp-sink.charm: $(shell find $(SINK) -type f -not -path '*/lib/*' \
		-not -name '*.pyc') $(wildcard localjuju/pack*) .venv/synced $(SINK)/lib/unit_service
	@$(PACK) $(SINK) --output $@

build/localjuju/smtp-forwarder.charm: $(shell find $(FORWARDER) -type f -not -path '*/lib/*' \
		-not -name '*.pyc') $(wildcard localjuju/pack*) .venv/synced $(FORWARDER)/lib/unit_service \
		$(FORWARDER)/lib/smtp_oauth $(FORWARDER)/$(LIBRARY)
	@$(PACK) $(FORWARDER) --output $@

build/localjuju/smtp-requirer.charm: $(shell find $(REQUIRER) -type f -not -path '*/lib/*') \
		requirements.txt $(wildcard localjuju/pack*) .venv/synced $(REQUIRER)/$(LIBRARY)
	@$(PACK) $(REQUIRER) --requirements requirements.txt --output $@

# The check as one file, for machines that have nothing but Python.
relay-check: build/relay-check.pyz

build/relay-check.pyz: src/hostname.py $(shell find src/relay_check src/smtp_oauth -name '*.py')
	@rm -rf build/relay-check
	@mkdir -p build/relay-check
	@cp -R src/relay_check src/smtp_oauth src/hostname.py build/relay-check
	@find build/relay-check -name __pycache__ -prune -exec rm -r {} +
	@$(PYTHON) -m zipapp build/relay-check --compress --python '/usr/bin/env python3' \
		--main relay_check.__main__:run --output $@

# Requirers vendor the one file of the library; here that is a copy that git ignores.
$(REQUIRER)/$(LIBRARY) $(FORWARDER)/$(LIBRARY): $(LIBRARY)
	@mkdir -p $(@D)
	@cp $< $@

# Charms ship what they have in common; here that is a copy that git ignores.
%/lib/unit_service: $(COMMON)
	@rm -rf $@
	@mkdir -p $@
	@cp $^ $@

# The forwarder asks for tokens as the integrator's check does.
$(FORWARDER)/lib/smtp_oauth: $(OAUTH)
	@rm -rf $@
	@mkdir -p $@
	@cp $^ $@

# charmcraft packs on the Ubuntu that a charm is for, or in a container of it.
charm: $(REQUIRER)/$(LIBRARY) $(FORWARDER)/$(LIBRARY) $(FORWARDER)/lib/unit_service \
		$(FORWARDER)/lib/smtp_oauth $(SINK)/lib/unit_service
	@command -v charmcraft >/dev/null || \
		{ echo 'charmcraft is missing: run snap install charmcraft --classic' >&2; exit 1; }
	@cp pyproject.toml uv.lock $(REQUIRER)
	@mkdir -p build/charmcraft
	for project in . $(FORWARDER) $(SINK) $(REQUIRER); do \
		charmcraft pack --project-dir $$project --output build/charmcraft || { \
			echo 'charmcraft needs LXD (snap install lxd), or the Ubuntu of a base' >&2; exit 1; }; \
	done

packages: .venv/synced
	@rm -rf build/packages
	@for package in packages/*; do \
		(cd $$package && $(CURDIR)/$(BIN)/python -m hatchling build -d $(CURDIR)/build/packages) || exit; \
	done

requirements: .venv/synced
	$(BIN)/uv lock --upgrade
	$(BIN)/uv export $(EXPORT) --output-file requirements.txt
	$(BIN)/uv lock --upgrade --project $(SINK)
	$(BIN)/uv export $(EXPORT) --project $(SINK) --output-file $(SINK)/requirements.txt
	$(BIN)/uv lock --upgrade --project $(FORWARDER)
	$(BIN)/uv export $(EXPORT) --project $(FORWARDER) --output-file $(FORWARDER)/requirements.txt

EXPORT := --quiet --frozen --no-dev --no-emit-project --no-hashes --no-annotate --no-header

clean:
	rm -rf .venv .tox build .pytest_cache .ruff_cache .hypothesis
	rm -rf charms/*/lib $(REQUIRER)/lib $(REQUIRER)/pyproject.toml $(REQUIRER)/uv.lock
