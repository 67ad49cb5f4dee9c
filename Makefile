# Everything runs from .venv, which `make setup` fills from requirements.lock.
PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python
FOLDER ?= demo
TESTS  ?=
# Files stay whole, because tests of a file share what they make; the longest begin.
PARALLEL := --numprocesses auto --dist loadfile --no-loadscope-reorder
# Plugins that nothing there needs take a second a process to import.
QUICK := --quiet --hypothesis-profile quick -p no:schemathesis -p no:anyio -m "not slow and not browser"

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_TRACKING_URI ?= sqlite:///mlflow.db
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
export BENTOML_DO_NOT_TRACK := true
export BENTOML_HOME ?= $(CURDIR)/bentoml

.PHONY: help setup setup-spark setup-site site demo serve committee ui test check quick coverage lint format bench clean lock

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# A lock names all that is to be installed: pip resolves nothing, and what came out since changes nothing.
$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] < (3, 13) else "Vigie needs Python 3.11 or 3.12: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

setup: $(VENV)/installed ## Install the environment into .venv

$(VENV)/spark-installed: requirements-spark.lock $(VENV)/installed
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --require-hashes -r requirements-spark.lock
	touch $@

setup-spark: $(VENV)/spark-installed ## Add Apache Spark to the environment (450 MB to fetch; needs Java 17)

$(VENV)/site-installed: requirements-docs.lock $(VENV)/installed
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-docs.lock
	touch $@

setup-site: $(VENV)/site-installed ## Add what makes the site of these pages to the environment (20 MB to fetch)

site: setup-site ## Write the site of these pages; open build/site/index.html, it needs no network
	$(RUN) -m sphinx --quiet --fail-on-warning --keep-going --conf-dir docs . build/site

demo: setup ## Records, features, models, evidence, card, approval, one answer (about three minutes)
	mlflow run . --env-manager=local --experiment-name vigie-cardiovascular -P folder=$(FOLDER)
	@echo
	@echo "Next:"
	@echo "  make ui       compare the models in MLflow"
	@echo "  make serve    ask for risks over HTTP; the page at http://127.0.0.1:3000 is the documentation"
	@echo "  $(FOLDER)/cardiovascular/bundle/card.fr.html and card.en.html    read the model card in a browser"
	@echo "  $(FOLDER)/cardiovascular/comparison.html    compare the models on one page"

serve: setup ## Take the approved model from the registry to a Bento and serve it on port 3000
	$(RUN) -m serving release --study cardiovascular --demonstration
	$(RUN) -m serving serve --demonstration

committee: setup ## Open the committee's portal on port 3001, with a made-up committee and the demonstration's card
	$(RUN) -m serving portal --demonstration demonstrate
	$(RUN) -m serving portal --demonstration submit $(FOLDER)/cardiovascular/bundle
	$(RUN) -m serving portal --demonstration

ui: setup ## Open the MLflow pages on port 5000
	mlflow ui --backend-store-uri $(MLFLOW_TRACKING_URI) --host 127.0.0.1 --port 5000

test: setup setup-spark setup-site lint ## Everything CI runs, a file of tests a processor
	$(RUN) -m pytest $(PARALLEL)

check: setup ## lint, and all tests that are quick, or those of TESTS=tests/serving alone: the inner loop
	$(MAKE) --no-print-directory --jobs=2 lint quick

quick: setup
	$(RUN) -m pytest $(PARALLEL) $(QUICK) $(TESTS)

coverage: setup ## Which lines and branches no quick test runs
	$(RUN) -m pytest $(PARALLEL) $(QUICK) --cov --cov-report=term:skip-covered

lint: setup ## ruff and mypy
	ruff check .
	ruff format --check .
	mypy

format: setup ## Rewrite the code in the house format
	ruff check --fix .
	ruff format .

bench: setup ## Time features, ingestion, evidence and the service beside their peers; print tables
	$(RUN) -m benchmarks.features
	$(RUN) -m benchmarks.ingest
	$(RUN) -m benchmarks.evidence
	$(RUN) -m benchmarks.whole_study --landmarks 100000
	$(RUN) -m benchmarks.serving

lock: ## Resolve the locks anew from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --extra training --extra dev --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --upgrade --output-file requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --constraint requirements.lock --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --upgrade --output-file requirements-serve.lock pyproject.toml
	echo 'pyspark>=4.3' | uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --upgrade --output-file requirements-spark.lock -
	printf '%s\n' sphinx myst-parser furo numpydoc | uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --upgrade --constraints requirements.lock --output-file requirements-docs.lock -

clean: ## Remove the environment and everything that was made
	rm -rf $(VENV) demo committee mlruns mlartifacts mlflow.db bentoml build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
