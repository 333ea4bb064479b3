# SPDX-License-Identifier: MIT
# The front door: CMake does the building, scripts/ does the rest.
BUILD ?= build
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)

.PHONY: all build demo check bench install deps clean format format-check help

all: build

help:
	@echo 'make demo          set up, build, and load real files (start here)'
	@echo 'make check         set up, and run all tests'
	@echo 'make bench         set up, and measure; draws the charts of bench/'
	@echo 'make build         build/dstool and the libraries'
	@echo 'make install       build, and install under PREFIX=$(PREFIX)'
	@echo 'make deps          install what is missing, by apt or pacman'
	@echo 'make format        format the C code; format-check only looks'
	@echo 'make clean         remove what was built'

build:
	cmake -B $(BUILD) -S . -DDS_BUILD_SHARED=ON -DDS_BUILD_STATIC=ON
	cmake --build $(BUILD) --parallel $(JOBS)

deps:
	scripts/deps.sh

demo:
	scripts/deps.sh build demo
	$(MAKE) build
	scripts/demo.sh $(BUILD)

check:
	scripts/check.sh

bench:
	scripts/deps.sh build bench
	$(MAKE) build
	scripts/bench.sh $(BUILD)

install: build
	cmake --install $(BUILD) --prefix $(PREFIX)

format:
	scripts/format.sh

format-check:
	scripts/format.sh --check

clean:
	rm -rf $(BUILD) build-asan build-tsan build-fuzz build-clang
