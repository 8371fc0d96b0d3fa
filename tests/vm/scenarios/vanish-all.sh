#: summary a device is pulled out between any two steps of a lend and of its return
#: devices edu testdev
#: modules yes
#: kernels 6.1 6.12 7
#: timeout 1500
#: long yes
# shellcheck shell=bash
. tests/vm/vanish.sh
vanish 1
