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
pve_lock 100
sweep "killed at each step in which a guard comes to be" guard pre-start
sweep "killed at 60 calls of pre-start, with a guard" kill pre-start --sample 60
sweep "killed at 60 calls of post-stop, with a guard" kill post-stop --sample 60
pve_unlock
same_as before "everything is as it was, with a guard"
