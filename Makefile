PYTHON ?= python3
DEMO_ENV := .venv
TEST_ENV := .venv-test
EXAMPLE := examples/deepseek-r1-70b.ft

.PHONY: demo test lint generated bench clean

# Install ftspec alone and run the main job on the shipped example: check, memory, compile.
demo: $(DEMO_ENV)/installed
	$(DEMO_ENV)/bin/ftspec check $(EXAMPLE)
	$(DEMO_ENV)/bin/ftspec memory $(EXAMPLE)
	$(DEMO_ENV)/bin/ftspec compile $(EXAMPLE) --out out/deepseek-r1-70b

# Install the real frameworks beside ftspec and run the whole suite against them.
test: $(TEST_ENV)/installed
	$(TEST_ENV)/bin/python -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered

lint: $(TEST_ENV)/installed
	$(TEST_ENV)/bin/ruff check .
	$(TEST_ENV)/bin/mypy

# Write again what is generated: schemas, tables and reports of the docs, the parse table, the catalog's index.
generated: $(TEST_ENV)/installed
	$(TEST_ENV)/bin/python -m ftspec.syntax.generate_table
	$(TEST_ENV)/bin/python -m ftspec.catalog.write_index
	$(TEST_ENV)/bin/python tools/spec_files.py
	$(TEST_ENV)/bin/python tools/memory_docs.py
	$(TEST_ENV)/bin/python tools/deepspeed_schema.py
	$(TEST_ENV)/bin/python tools/megatron_schema.py > schemas/megatron_arguments.schema.json
	$(TEST_ENV)/bin/python tools/hydra_schema.py

# The peers bring no dependencies: what they need is in the environment, or listed beside them.
bench: $(TEST_ENV)/installed
	$(TEST_ENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/benchmarks.txt
	$(TEST_ENV)/bin/python -m benchmarks.start_up
	$(TEST_ENV)/bin/python -m benchmarks.throughput
	$(TEST_ENV)/bin/python -m benchmarks.memory_speed
	$(TEST_ENV)/bin/python -m benchmarks.memory_accuracy
	$(TEST_ENV)/bin/python -m benchmarks.memory_published
	$(TEST_ENV)/bin/python -m benchmarks.gpu_memory

$(DEMO_ENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(DEMO_ENV)
	$(DEMO_ENV)/bin/python -m pip install --quiet --disable-pip-version-check .
	touch $@

# torch first: DeepSpeed's set-up looks for it. Megatron asks for Python 3.12 and for CUDA packages that its
# argument parser does not need.
$(TEST_ENV)/installed: pyproject.toml requirements/frameworks.txt requirements/megatron.txt requirements/transformer_engine.txt
	$(PYTHON) -m venv $(TEST_ENV)
	$(TEST_ENV)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	DS_BUILD_OPS=0 $(TEST_ENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/frameworks.txt
	$(TEST_ENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python -r requirements/megatron.txt
	$(TEST_ENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(TEST_ENV)/transformer-engine -r requirements/transformer_engine.txt
	$(TEST_ENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	$(TEST_ENV)/bin/python -m compileall -q ftspec
	touch $@

clean:
	rm -rf $(DEMO_ENV) $(TEST_ENV) out
