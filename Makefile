# Ullage. `make demo` runs the main job, `make test` proves it; both set up what they need on a bare Debian machine.
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON_FILES := fsw hil tests bench csrc/build_core.py setup.py

.PHONY: help demo test check setup format lint types layers ctest pytest bench soak wheel wheel-check clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 13

demo: $(READY)  ## a 0.8 mm hole in a coolant loop, found live (about 90 s)
	$(BIN)/hil demo

test: check  ## everything CI runs

check: format lint types layers ctest pytest  ## format, lint, types, import contracts, C under sanitizers, tests

setup: $(READY)  ## system packages, virtual environment, build

$(READY): pyproject.toml setup.py setup.sh $(wildcard csrc/*.c csrc/*.h csrc/build_core.py)
	VENV=$(VENV) ./setup.sh
	@touch $@

format: $(READY)  ## is everything formatted? (mend with: .venv/bin/ruff format)
	$(BIN)/ruff format --check $(PYTHON_FILES)

lint: $(READY)
	$(BIN)/ruff check $(PYTHON_FILES)

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports

ctest: $(READY)  ## the C core's own tests under ASan and UBSan
	$(MAKE) -j2 -C csrc/tests

pytest: $(READY)  ## two at a time, each file in one process: its fixtures are made once, the files of long runs come first
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: $(READY)  ## ratios against named peers, measured side by side
	$(BIN)/python -m bench

soak: $(READY)  ## 30 healthy vessels through 30 days of disturbances, twice (an hour on two cores)
	$(BIN)/python -m bench.campaign
	$(BIN)/python -m bench.campaign --false-alarms "1 per 100 years"

wheel: $(READY)  ## dist/*.whl
	$(BIN)/python -m pip wheel --no-deps --wheel-dir dist .

wheel-check:  ## the wheel works in an empty virtual environment (a few minutes)
	tests/check_wheel.sh

clean:
	rm -rf build dist csrc/build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
