# Each target calls one Python entry; the same lines work without make and on Windows.
PYTHON ?= python3

tutorial test lab class study notebooks clean:
	$(PYTHON) -m npc_helpers $@

verify:
	$(PYTHON) -m npc_helpers study --verify

.PHONY: tutorial test lab class study notebooks clean verify
.DEFAULT_GOAL := tutorial
