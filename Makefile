# Both main targets set up whatever is missing: `make demo`, `make test`.
VENV := .venv
SOURCES := $(shell find dpi -name '*.pyx' -o -name '*.pxd') setup.py pyproject.toml tests/setup

.PHONY: demo test setup bench clean

demo: setup
	$(VENV)/bin/dpi demo

test: .setup-stamp-test
	sh tests/run

setup: .setup-stamp

.setup-stamp: $(SOURCES)
	sh tests/setup demo
	touch $@

.setup-stamp-test: $(SOURCES)
	sh tests/setup test
	touch .setup-stamp $@

bench: setup
	$(VENV)/bin/dpi bench inline --json

clean:
	rm -rf build dist .setup-stamp* *.egg-info
	find dpi \( -name '*.so' -o -name '*.c' \) -delete
