#: summary the hook and its workers killed at each of their state-changing calls: recover brings all home
#: devices gpu edu
#: kernels 6.1 6.12 7
#: timeout 5400
#: long
# shellcheck shell=bash

. tests/vm/sweep.sh
sweep_setup
sweep "killed at each call of pre-start" kill pre-start
same_as before "everything is as it was"
sweep "killed at each call of post-stop" kill post-stop
same_as before "everything is as it was, again"
