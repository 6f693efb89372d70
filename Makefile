# Each target calls one Python entry; the same lines work without make and on Windows.
PYTHON ?= python3

tutorial test lab class study notebooks clean:
	$(PYTHON) -m npc_helpers $@

.PHONY: tutorial test lab class study notebooks clean
.DEFAULT_GOAL := tutorial
