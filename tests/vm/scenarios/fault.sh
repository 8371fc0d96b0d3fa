#: summary writes to sysfs and of state that fail, a sample: undone, told in a line, status 1; or brought home by recover; also where undoing fails, too
#: devices gpu edu
#: timeout 900
# shellcheck shell=bash

. tests/vm/sweep.sh
sweep_setup
sweep "24 writes of pre-start fail" fault pre-start --sample 24
sweep "12 writes of post-stop fail" fault post-stop --sample 12
sweep "a write of pre-start fails, then one of those that undo it, 8 times" twice pre-start --sample 8
like "most of them had something to undo" "$TRY_OUT" '^[4-8] of them failed again'
same_as before "everything is as it was"
