# Two commands, each in an environment of its own: `make demo` and `make test`. Another Python: make demo PYTHON=python3.12
PYTHON ?= python3
DEMO := .venv-demo
TEST := .venv-test
OUTPUT ?= transcription.png
PIP_FLAGS := --quiet --disable-pip-version-check

.PHONY: demo test doctest lint clean

# The package is installed as a user gets it, not editable, and anew every time.
demo: $(DEMO)/.installed
	rm -rf build
	$(DEMO)/bin/pip install $(PIP_FLAGS) --no-deps --force-reinstall .
	KERAS_BACKEND=jax $(DEMO)/bin/s2s-keras demo --output $(OUTPUT)

test: $(TEST)/.installed
	$(TEST)/bin/python -m pytest $(PYTEST_FLAGS)

doctest: $(TEST)/.installed
	TF_CPP_MIN_LOG_LEVEL=3 $(TEST)/bin/python -m pytest $(PYTEST_FLAGS) --doctest-modules s2s_keras

lint: $(TEST)/.installed
	$(TEST)/bin/ruff check .
	$(TEST)/bin/lint-imports

clean:
	rm -rf $(DEMO) $(TEST)

$(DEMO)/.installed: setup.cfg requirements-jax.txt
	@echo "Installing s2s_keras with JAX into $(DEMO): 0.9 GB, a minute or two ..."
	$(PYTHON) -m venv --clear $(DEMO)
	$(DEMO)/bin/pip install $(PIP_FLAGS) -r requirements-jax.txt
	$(DEMO)/bin/pip install $(PIP_FLAGS) --no-deps "keras-hub>=0.32"
	@touch $@

$(TEST)/.installed: setup.cfg
	@echo "Installing s2s_keras with TensorFlow and the test tools into $(TEST): 3 GB, a few minutes ..."
	$(PYTHON) -m venv --clear $(TEST)
	$(TEST)/bin/pip install $(PIP_FLAGS) -e ".[tensorflow,test]"
	@touch $@
