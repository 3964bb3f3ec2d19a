# Everything a newcomer needs. Each target sets up .venv by itself, once.
VENV := .venv/bin

.PHONY: demo test check format lock bench clean help

help:           ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo: setup     ## label 60 reviews with the embedded model
	$(VENV)/brim run examples/reviews.jsonl -o results/reviews.jsonl --model local:smollm2 \
		--template @examples/sentiment.txt --param response_format=@examples/sentiment.schema.json \
		--param temperature=0 --max-tokens 24

test: setup     ## pass the tests
	$(VENV)/pytest

check: setup    ## every gate: format, lint, types, architecture, tests, docs
	$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(VENV)/mypy
	$(VENV)/pytest

format: setup   ## put the code into its form
	$(VENV)/ruff format .
	$(VENV)/ruff check --fix .

bench: setup    ## CPU per call beside the common recipes
	$(VENV)/python benchmarks/overhead.py

lock:           ## resolve the dependencies anew (needs uv)
	uv pip compile pyproject.toml --universal --generate-hashes --all-extras --group dev --python-version 3.11 \
		--no-emit-index-url --no-emit-find-links --no-header --quiet --upgrade --output-file requirements.lock

clean:          ## remove what was made
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis results dist

.PHONY: setup
setup:
	@scripts/setup.sh
