#: summary a device is pulled out between two steps (some of them) of a lend and of its return
#: devices edu testdev
#: modules yes
#: timeout 300
# shellcheck shell=bash
. tests/vm/vanish.sh
vanish 9
