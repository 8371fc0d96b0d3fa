# The words of a scenario. Sourced before every one of them, in bash (which a plain sh body does not notice).
# shellcheck shell=bash

# --- the host -----------------------------------------------------------------------------------------------------

# The channel is opened anew each time, so that no program under test inherits it.
tell() { printf '%s\n' "$*" >/dev/ttyS1; }

# ask REQUEST… - send a request to the host and print its one-line reply; fails if the reply is an error.
ask() {
	local reply
	{
		printf '%s\n' "$*" >&0
		read -r -t 60 reply || reply='error: the host did not answer'
	} <>/dev/ttyS1
	printf '%s\n' "$reply"
	[ "${reply#error}" = "$reply" ]
}

# qmp JSON - let QEMU do something to the machine, e.g. qmp '{"execute":"device_del","arguments":{"id":"edu"}}'
qmp() { ask "qmp $*"; }
# shot DEVICE NAME - picture of what DEVICE (a QEMU id: gpu1, gpu2, vga) shows, as NAME.png in the log folder. Prints
# "SHA256 WIDTHxHEIGHT COLOURS"; two equal pictures have equal sums.
shot() { ask "shot $1 $2"; }
# shows TEXT DEVICE NAME SUM - one test case: DEVICE shows the picture that `shot` gave SUM for, or does so within 10 s.
# Recent kernels paint in the background, after the write to the console has returned.
shows() {
	local until=$((SECONDS + 10)) sum
	until sum=$(shot "$2" "$3"); [ "$sum" = "$4" ] || [ $SECONDS -ge $until ]; do
		sleep 0.2
	done
	is "$1" "$sum" "$4"
}
# say TEXT - a line for whoever watches (the demo prints it; `run` logs it)
say() { tell "say $*"; echo "--- $*"; }

# --- expectations -------------------------------------------------------------------------------------------------

TESTS=0

# verdict STATUS TEXT [DETAIL] - one test case. The detail shows on a failure only.
verdict() {
	{ set +x; } 2>/dev/null 19>/dev/null
	TESTS=$((TESTS + 1))
	echo "=== $2: $([ "$1" = 0 ] && echo ok || echo NOT OK)"
	if [ "$1" = 0 ]; then
		tell "ok $TESTS - $2"
	else
		tell "not ok $TESTS - $2"
		printf '%s\n' "${3:-}" | tail -n 20 | while IFS= read -r line; do
			echo "    $line"
			tell "# $line"
		done
	fi
	[ -z "${BASH_XTRACEFD:-}" ] || set -x
	return 0
}

# finish - the last word of a scenario; without it the run is a failure.
finish() { tell "done $TESTS"; }

# again INITRD PATH… - the last word of a boot that another is to follow, with OUT/INITRD, made by initramfs-tools (see
# initrd-init): the scenario runs from its beginning, BOOT is one more. Of what this boot wrote only PATHs are there then.
again() {
	local initrd=$1 path paths=()
	shift
	for path; do
		[ ! -e "$path" ] || paths+=(".$path")
	done
	tar -cf "$OUT/again.tar" -C / "${paths[@]}" || return
	tell "again $TESTS $initrd"
	exit
}

# try COMMAND… - run it in this very shell (what it sets stays set), its output in the log and in TRY_OUT
TRY_OUT=''
try() {
	local status
	"$@" >/run/try.out 2>&1
	status=$?
	TRY_OUT=$(</run/try.out)
	[ -z "$TRY_OUT" ] || printf '%s\n' "$TRY_OUT"
	return $status
}

# json KEYS… - the value at that path of the JSON that was said last, or how many there are in it
json() { perl -MJSON::PP -0777 -ne 'BEGIN { @k = splice @ARGV } my $v = decode_json($_); for (@k) { $v = ref $v eq "ARRAY" ? $v->[$_] : $v->{$_} } print ref $v ? scalar @$v : $v' "$@" <<<"$TRY_OUT"; }

# ok TEXT COMMAND… - it succeeds
ok() {
	local text=$1 status
	shift
	try "$@"
	status=$?
	verdict $status "$text" "$* gave status $status: $TRY_OUT"
}

# fails_with STATUS TEXT COMMAND… - it ends with just this status
fails_with() {
	local want=$1 text=$2 status
	shift 2
	try "$@"
	status=$?
	verdict $((status != want)) "$text" "$* gave status $status, not $want: $TRY_OUT"
}

# is TEXT GOT WANT - equal strings
is() { verdict "$([ "$2" = "$3" ]; echo $?)" "$1" "got '$2', not '$3'"; }
# isnt TEXT GOT UNWANTED - different strings
isnt() { verdict "$([ "$2" != "$3" ]; echo $?)" "$1" "got '$2'"; }
# like TEXT GOT ERE - some line matches
like() { verdict "$(grep -Eq -- "$3" <<<"$2"; echo $?)" "$1" "no line matches /$3/ in: $2"; }
# unlike TEXT GOT ERE - no line matches
unlike() { verdict "$(! grep -Eq -- "$3" <<<"$2"; echo $?)" "$1" "a line matches /$3/ in: $2"; }

# wait_for SECONDS COMMAND… - until it succeeds. Polling is for tests only; the product waits for events.
wait_for() {
	local until=$((SECONDS + $1)) out
	shift
	until out=$("$@" 2>&1); do
		[ $SECONDS -lt $until ] || { echo "waited in vain for: $*: $out"; return 1; }
		sleep 0.1
	done
}

# --- devices ------------------------------------------------------------------------------------------------------
# ADDRESS is what /sys/bus/pci/devices has, or without the domain, or only bus:device (then function 0).

dev() {
	local a=$1
	case $a in *.*) ;; *) a=$a.0 ;; esac
	case $a in *:*:*) ;; *) a=0000:$a ;; esac
	echo "/sys/bus/pci/devices/$a"
}

base() { local l; l=$(readlink "$1") && echo "${l##*/}"; }
# driver ADDRESS - its driver's name, or "none"
driver() { base "$(dev "$1")/driver" || echo none; }
# override ADDRESS - its driver_override; empty when there is none
override() { local o; read -r o <"$(dev "$1")/driver_override"; [ "$o" = '(null)' ] || echo "$o"; }
# group ADDRESS - number of its IOMMU group, or "none"
group() { base "$(dev "$1")/iommu_group" || echo none; }
# members ADDRESS - addresses in its IOMMU group, in one line
members() { local m; m=$(cd "$(dev "$1")/iommu_group/devices" && echo *); echo "$m"; }
# ids ADDRESS - "VENDOR DEVICE", hex, as new_id wants them
ids() { local v d; read -r v <"$(dev "$1")/vendor"; read -r d <"$(dev "$1")/device"; echo "${v#0x} ${d#0x}"; }
# holders ADDRESS - pids that have its VFIO group open
holders() {
	local pids
	pids=$(find /proc/[0-9]*/fd -lname "/dev/vfio/$(group "$1")" -printf '%p\n' 2>/dev/null | cut -d/ -f3 | sort -u)
	echo "${pids//$'\n'/ }"
}

# no_new_id ADDRESS - vfio-pci's list of added ids lacks this one. The list cannot be read; that remove_id knows no
# such entry is the only sign there is. (It takes the entry away if there is one.)
no_new_id() {
	local err
	[ -e /sys/bus/pci/drivers/vfio-pci ] || return 0
	err=$( (ids "$1" >/sys/bus/pci/drivers/vfio-pci/remove_id) 2>&1) && { echo "an id was there"; return 1; }
	case $err in *'No such device'*) ;; *) echo "$err"; return 1 ;; esac
}

# --- the adversary: modules of tests/vm/adversary, in a scenario with `#: modules yes` ------------------------------

# adversary MODULE [PARAMETER=VALUE…] - load adversary, deadcard, nvidia, nvidia_modeset, nvidia_drm or nvidia_uvm
adversary() {
	[ -n "$ADVERSARY" ] || { echo "the scenario has no line '#: modules yes'"; return 1; }
	insmod "$ADVERSARY/$1.ko" "${@:2}" || return
	case $1 in nvidia*) nvidia_nodes ;; esac
}
# Device nodes, as nvidia-modprobe makes them; like the real ones they stay when the modules go.
nvidia_nodes() {
	local f key minor major
	for f in /proc/driver/nvidia/gpus/*/information; do
		[ -e "$f" ] || continue
		minor=$(awk '/^Device Minor/ { print $3 }' "$f")
		[ -e "/dev/nvidia$minor" ] || mknod -m 666 "/dev/nvidia$minor" c 195 "$minor"
	done
	while read -r major key; do
		case $key in
		nvidiactl) minor=255 ;;
		nvidia-modeset) minor=254 ;;
		nvidia-uvm) minor=0 ;;
		*) continue ;;
		esac
		rm -f "/dev/$key"
		mknod -m 666 "/dev/$key" c "$major" "$minor"
	done </proc/devices
}
# set_param MODULE NAME VALUE / get_param MODULE NAME - a parameter of a loaded module
set_param() { echo "$3" >"/sys/module/$1/parameters/$2"; }
get_param() { cat "/sys/module/$1/parameters/$2"; }
# in_d_state PID - it sleeps in the kernel, beyond the reach of any signal
in_d_state() { [ "$(awk '/^State/ { print $2 }' "/proc/$1/status")" = D ]; }

# --- the state of the host ----------------------------------------------------------------------------------------

# state - everything a lend and its return must leave as it was, as text. With few processes: a fork is dear in here.
state() {
	local d f key line list
	local -A driver=()
	for d in /sys/bus/pci/drivers/*/0000:*; do
		f=${d%/*}
		driver[${d##*/}]=${f##*/}
	done
	for d in /sys/bus/pci/devices/*; do
		line="pci ${d##*/} driver=${driver[${d##*/}]:-none}"
		for key in driver_override power/control d3cold_allowed reset_method; do
			f=-
			[ ! -e "$d/$key" ] || read -r f <"$d/$key"
			line="$line ${key##*/}=$f"
		done
		echo "$line"
	done
	for d in /sys/class/vtconsole/*; do
		read -r line <"$d/name"
		read -r f <"$d/bind"
		echo "vtconsole ${d##*/} $line bind=$f"
	done
	while read -r line; do
		echo "fb $line"
	done </proc/fb
	# Kernel threads come and go as they please; they have no exe. What is gone after the list was made was us.
	list=$(find /proc/[0-9]*/exe -lname '/*' -printf '%p %l\n' 2>/dev/null)
	while read -r f line; do
		d=${f%/exe}
		case $d in "/proc/$$" | "/proc/$BASHPID") continue ;; esac
		# The kernel's own modprobe, for what is below a device that just came home.
		[ "$line" != "$(command -v kmod)" ] || continue
		# udev's helpers do, too.
		case $line in */udevadm | */systemd-udevd) continue ;; esac
		[ ! -d "$d" ] || echo "process ${d#/proc/} $line"
	done <<<"$list"
	[ -d /run/systemd/system ] || find /proc/1/fd/ -type l -printf 'init-fd %f %l\n' | sort
}
# snap NAME - keep the state of the host under NAME
snap() { state >"$OUT/state-$1"; }
# same_as NAME TEXT - one test case: the state of the host is what it was
same_as() {
	local diff
	state >"$OUT/state-now"
	diff=$(diff "$OUT/state-$1" "$OUT/state-now")
	verdict $? "$2" "$diff"
}
