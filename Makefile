# make run     this machine's metrics in a browser, from a fresh checkout
# make venv    .venv with everything that a node needs, the kernel compiled if there is a compiler
# make test    every check, the same as in CI
# make bench   what streaming costs, beside the real agent
# make fuzz    look for bytes that do harm, a minute for each reader of bytes (MINUTES=30, FUZZ=lines)
# make soak    whole clusters to which everything happens, seed after seed, for an hour (MINUTES=10, SEED=1), then the
#              bench for as long, a row a minute, then every reader of bytes as in 'make fuzz', together for as long
#
# make run PORT=8080 BIND=0.0.0.0 ROLE=parent ARGUMENTS="--set 'db/mode=ram'"
# make test TESTS=tests.wire JOBS=1   make venv PYTHON=python3.12

PYTHON ?= python3
VENV   ?= .venv
ROLE   ?= standalone
BIND   ?= 127.0.0.1
PORT   ?=
TESTS  ?= tests
JOBS   ?= 4
ARGUMENTS ?=
MINUTES ?= 1
FUZZ   ?=
SEED   ?=

BIN   := $(VENV)/bin
BUILT := setup.cfg pyproject.toml $(wildcard setup.py) $(wildcard netstream/kernel/*.py)
CODE  := benchmarks fuzz netstream setup.py tests twisted
ifeq ($(CI),true)
export NETSTREAM_REQUIRE_PEERS = 1
endif
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DELETE_ON_ERROR:
.PHONY: run venv venv-dev test check lint types docs unit peers bench fuzz soak clean

run: venv
	@port=$${PORT:-$$($(BIN)/python .ci/free-port $(BIND))}; \
	echo; echo "  Open http://$$([ $(BIND) = 0.0.0.0 ] && hostname || echo $(BIND)):$$port/   (Ctrl-C ends the node; its data is in run/)"; echo; \
	exec $(BIN)/twistd -n --pidfile= netstream --role $(ROLE) --data-dir run --set "web/bind to=$(BIND):$$port" $(ARGUMENTS)
run: export PORT := $(PORT)

venv: $(VENV)/.installed
venv-dev: $(VENV)/.installed-dev

$(BIN)/python:
	@PYTHON='$(PYTHON)' .ci/make-venv '$(VENV)'

$(VENV)/.installed: $(BIN)/python $(BUILT)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python $(BUILT)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.installed

# With -k, as in CI, every check runs although one has failed.
test: lint types docs unit

check: lint types docs

lint: venv-dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: venv-dev
	$(BIN)/mypy

docs: venv-dev
	$(BIN)/python .ci/python-inventory build/python.inv
	$(BIN)/pydoctor --quiet --html-output=build/api --intersphinx-file=build/python.inv::https://docs.python.org/3

unit: venv-dev peers
	$(BIN)/python -m twisted.trial -j$(JOBS) $(TESTS)

# The agent and the browser that some tests need; they are skipped where these cannot be had.
peers:
	@.ci/peers

bench: venv
	$(BIN)/python -m benchmarks $(ARGUMENTS)

# The kernel is compiled once more, with AddressSanitizer, in a directory of its own.
fuzz: venv-dev
	$(BIN)/python -m pip install --quiet atheris
	$(BIN)/python -m fuzz $(FUZZ) --minutes $(MINUTES)

soak: venv
	$(BIN)/python -m netstream.testing.simulation --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))
	$(BIN)/python benchmarks/stream.py parent --target netstream --rates 100000 --protocols v1 --seconds 60 --repeat $(MINUTES)
	$(MAKE) fuzz MINUTES=$$(( ($(MINUTES) + 17) / 18 ))
soak: MINUTES = 60

clean:
	rm -rf build dist *.egg-info _trial_temp* netstream/kernel/*.so netstream/kernel/*.c $(VENV)
