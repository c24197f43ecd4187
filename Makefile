.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# lenstronomy is the independent simulator that the tests compare with. Its declared dependencies include
# packages under a non-free licence that simulating an image never imports, hence --no-deps.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps lenstronomy==1.14.2
	touch $@

.PHONY: help install train test test-all lint docs article dist report benchmark clean
help: ## Show the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

install: $(INSTALLED) ## Create .venv and install the package with its test tools

train: $(INSTALLED) ## The main job at scale=quick: RDN with MSE + AAE content loss
	$(BIN)/python train.py model=rdn loss=mse_aae

test: $(INSTALLED) ## The default test suite
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-all: $(INSTALLED) ## Every test, the slow ones too
	$(BIN)/python -m pytest -m 'slow or not slow'

lint: $(INSTALLED) ## ruff, mypy, and which room may import which
	$(BIN)/ruff check lenssr tests scripts train.py
	$(BIN)/ruff format --check lenssr tests scripts train.py
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

docs: $(INSTALLED) ## The documentation, as pages: outputs/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

article: $(INSTALLED) ## The article, its numbers from outputs/report: outputs/article/lenssr.pdf
	$(BIN)/python scripts/article.py

dist: $(INSTALLED) ## A wheel and an sdist: dist/
	$(BIN)/python -m build --no-isolation --outdir dist .

report: $(INSTALLED) ## Every table and figure of the report at scale=quick, resumable: hours
	$(BIN)/python scripts/reproduce.py

benchmark: $(INSTALLED) ## Measure against lenstronomy, .npy files, a bare PyTorch loop and Hydra's own launcher
	$(BIN)/python scripts/benchmark.py

clean: ## Remove the virtual environment and caches (outputs/ stays)
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
