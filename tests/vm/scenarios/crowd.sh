#: summary 32 VMs start at once for one card: one gets it, 31 are told who has it
#: devices gpu
#: timeout 600
# shellcheck shell=bash

vms=$(seq 100 131)
for vm in $vms; do
	printf 'name: guest%s\nhostpci0: 0000:01:00,pcie=1\n' "$vm" | pve_conf "$vm"
done
# Thirty-two of them on two emulated processors: the time is not what this is about.
mkdir -p /etc/pvebind /run/crowd
printf '[defaults]\nhook-timeout = 240s\n' >/etc/pvebind/pvebind.ini
left() { (cd /run/pvebind && find . -type f \( -size +0 -o ! -name '*.lock' ! -name console.bound \) | sort); }
modprobe -a vfio-pci vfio_iommu_type1
snap before

# at_gate N - so many wait for the gate to open
at_gate() { [ "$(grep -c -- '-> FLOCK' /proc/locks)" -ge "$1" ]; }
# runner VMID - one of them, with the times of its start and its end, in microseconds
runner() {
	local status
	flock -s 7
	echo "${EPOCHREALTIME/./}" >/run/crowd/"$1".start
	"$HOOK" "$1" pre-start </dev/null >/run/crowd/"$1" 2>&1 7>&- 19>&-
	status=$?
	echo "${EPOCHREALTIME/./}" >/run/crowd/"$1".end
	return $status
}

exec 7>/run/crowd/gate
flock 7
declare -A pids=() statuses=()
for vm in $vms; do
	runner "$vm" 7</run/crowd/gate &
	pids[$vm]=$!
done
ok "32 stand at the gate" wait_for 60 at_gate 32
exec 7>&-
for vm in $vms; do
	wait "${pids[$vm]}"
	statuses[$vm]=$?
done
first=$(sort -n /run/crowd/*.end | head -n 1)
together=$(cat /run/crowd/*.start | awk -v first="$first" '$1 < first' | wc -l)
say "$together had started before the first ended"
verdict $((together < 16)) "they ran at the same time, most of them" "only $together had started before the first ended"

winner='' failed=0 wrong=''
for vm in $vms; do
	case ${statuses[$vm]} in
	0) winner="$winner$vm" ;;
	1) failed=$((failed + 1)) ;;
	esac
done
is "31 fail, and nothing else is the matter" "$failed" 31
like "one wins" "$winner" '^1[0-9][0-9]$'
like "and says so" "$(cat /run/crowd/"${winner:0:3}")" "VM $winner: lent 0000:01:00\.0, 0000:01:00\.1"
for vm in $vms; do
	[ "$vm" = "$winner" ] || grep -Eq "refused \(held\): 0000:01:00\.[01] is lent to VM $winner since" /run/crowd/"$vm" ||
		wrong="$wrong$vm: $(cat /run/crowd/"$vm")
"
done
is "the others say who has it" "$wrong" ""
is "it is lent" "$(driver 01:00.0) $(driver 01:00.1)" "vfio-pci vfio-pci"
is "only the winner has a journal" "$(cd /run/pvebind && echo *.journal*)" "$winner.journal"
fails_with 1 "nobody runs any more" pgrep -f "^$HOOK"
ok "the winner returns it" pve_hook "$winner" post-stop
same_as before "everything is as it was"
is "no state is left but locks" "$(left)" ""
