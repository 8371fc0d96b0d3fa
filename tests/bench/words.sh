# What the scenarios of tests/bench share. Sourced by those; the words of tests/vm/lib.sh and pve.sh are there as
# well.
# shellcheck shell=bash

# `#: append norandmaps`, in each of them: QEMU translates code anew for each address that it is found at, which takes
# a program that is linked dynamically longer than all that it does. A real processor has nothing of that.

# word NAME - what tests/bench/run has put on the kernel command line as pvebind.NAME=
word() { local w; for w in $(</proc/cmdline); do case $w in pvebind."$1"=*) echo "${w#*=}" ;; esac; done; }
# shellcheck disable=SC2034 # PEERS is for those who source this
ROUNDS=$(word rounds) BENCH=$(word bench) PEERS=$(word peers)

# The machine's files come over 9p, where each open is a message to QEMU and back. No real host has that: what is to
# be measured is copied into the guest's memory, with all that it opens.
mkdir /run/local
cp "$HOOK"* "${HOOK%-hook}-guard" "$BENCH"/{three,race,idlers} /run/local/
HOOK=/run/local/${HOOK##*/} BENCH=/run/local

# local_files COMMAND… - run it once, and copy each file that it opens
local_files() {
	local file
	timeout 300 strace -f --seccomp-bpf -qq -e trace=openat,execve -o /run/opened "$@" >/run/opened.out 2>&1
	sed -n 's/.*"\(\/[^"]*\)".* = [0-9]*$/\1/p' /run/opened | sort -u | while IFS= read -r file; do
		case $file in /sys/* | /proc/* | /dev/* | /run/*) continue ;; esac
		# Opened for writing, a file of the overlay's lower layer is copied.
		[ ! -f "$file" ] || { : >>"$file"; } 2>/dev/null
	done
}

# race NAME - the course on stdin, ROUNDS times; times to NAME.times in the log folder
race() {
	"$BENCH/race" "$ROUNDS" "/run/$1.log" >"$OUT/$1.times" 8>&- 7>&- 19>&-
	verdict $? "$1: all of it went well" "$(tail -n 20 "/run/$1.log")"
}
