# Both main targets set up whatever is missing: `make demo`, `make test`.
VENV := .venv
PY := $(VENV)/bin/python
SOURCES := $(shell find dpi -name '*.pyx' -o -name '*.pxd') setup.py pyproject.toml

.PHONY: demo test setup build check unit bench clean

demo: setup
	$(VENV)/bin/dpi demo

test: setup
	sh tests/run

setup: .setup-stamp

.setup-stamp: tests/setup $(SOURCES)
	sh tests/setup
	touch $@

build:
	$(PY) setup.py -q build_ext --inplace

bench: setup
	$(VENV)/bin/dpi bench inline --json

clean:
	rm -rf build dist .setup-stamp *.egg-info
	find dpi -name '*.so' -delete -o -name '*.c' -delete
