.PHONY: run test check bench crash faults mutants fuzz

run:    ; @scripts/run $(ARGS)
test:   ; @scripts/test $(ARGS)
check:  ; @scripts/check
bench:  ; @scripts/bench $(ARGS)
crash:  ; @scripts/crash $(ARGS)
faults: ; @scripts/faults $(ARGS)
mutants: ; @scripts/mutants $(ARGS)
fuzz:   ; @scripts/fuzz $(ARGS)
