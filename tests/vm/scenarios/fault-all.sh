#: summary each write to sysfs and of state fails, in six ways: undone, told in a line, status 1; or brought home by recover; also where undoing fails, too
#: devices gpu edu
#: kernels 6.1 6.12 7
#: timeout 5400
#: long
# shellcheck shell=bash

. tests/vm/sweep.sh
sweep_setup
sweep "each write of pre-start fails in each way" fault pre-start --all-errnos
same_as before "everything is as it was"
sweep "each write of pre-start fails, then one of those that undo it" twice pre-start
same_as before "everything is as it was"
sweep "each write of post-stop fails" fault post-stop --all-errnos
same_as before "everything is as it was, again"
