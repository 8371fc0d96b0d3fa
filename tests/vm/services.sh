# Who may have a card: processes, units, containers. Sourced before every scenario.
# shellcheck shell=bash

# --- processes ----------------------------------------------------------------------------------------------------

HOLDER=''

# hold DEVICE - a process ("sleep") that has the node open, and only that; its pid is in HOLDER
hold() {
	[ -e "$1" ] || { echo "there is no $1"; return 1; }
	# shellcheck disable=SC2217 # it is to have it open, not to read it
	sleep infinity 7<"$1" </dev/null >/dev/null 2>&1 8>&- 19>&- &
	HOLDER=$!
	wait_for 10 has_open $HOLDER "$1"
}
has_open() { find "/proc/$1/fd" -lname "$(readlink -f "$2")" | grep -q .; }

# hold_mapped DEVICE - a process ("perl") that has the node mapped, but no descriptor of it; its pid is in HOLDER.
# Of a DRM card a dumb buffer is mapped, of a sound stream its status, of anything else its beginning.
hold_mapped() {
	[ -e "$1" ] || { echo "there is no $1"; return 1; }
	perl -e '
		use Fcntl;
		my ($path, $offset) = ($ARGV[0], 0);
		sysopen(my $file, $path, O_RDWR) or die "$path: $!\n";
		if ($path =~ m{/dri/card}) {
			my $create = pack("L6Q", 64, 64, 32, 0, 0, 0, 0);
			ioctl($file, 0xC02064B2, $create) or die "DRM_IOCTL_MODE_CREATE_DUMB: $!\n";
			my $map = pack("LLQ", (unpack("L6Q", $create))[4], 0, 0);
			ioctl($file, 0xC01064B3, $map) or die "DRM_IOCTL_MODE_MAP_DUMB: $!\n";
			$offset = (unpack("LLQ", $map))[2];
		} elsif ($path =~ m{/snd/pcm}) {
			$offset = 0x80000000; # SNDRV_PCM_MMAP_OFFSET_STATUS
		}
		# mmap(NULL, 4096, PROT_READ, MAP_SHARED, …): Perl has no word for it, and other languages keep a descriptor.
		syscall(9, 0, 4096, 1, 1, fileno($file), $offset) != -1 or die "mmap: $!\n";
		close($file);
		sleep;
	' "$1" </dev/null 8>&- 19>&- &
	HOLDER=$!
	wait_for 20 has_mapped_only $HOLDER "$1"
}
# has_open PID DEVICE, has_mapped_only PID DEVICE
has_mapped_only() { grep -qF " $(readlink -f "$2")" "/proc/$1/maps" && ! has_open "$1" "$2"; }

# let_go - end the process of the last hold or hold_mapped
let_go() {
	kill -KILL "$HOLDER"
	wait "$HOLDER" 2>/dev/null
	HOLDER=''
}

# --- units (init systemd) -----------------------------------------------------------------------------------------

# unit_with NAME COMMAND - make and start NAME.service, with Restart=always. COMMAND is a line of bash; after `exec` in
# it that is the unit's main process: unit_with player 'exec sleep infinity 7</dev/snd/controlC0'
unit_with() {
	printf '%s\n' "$2" >"/run/unit-$1"
	cat >"/etc/systemd/system/$1.service" <<-END
		[Unit]
		StartLimitIntervalSec=0
		[Service]
		ExecStart=/bin/bash /run/unit-$1
		Restart=always
	END
	systemctl daemon-reload && systemctl start "$1.service"
}
# unit_is NAME STATE - its ActiveState (active, inactive, failed, …) is this
unit_is() { [ "$(systemctl show -P ActiveState "$1")" = "$2" ]; }
# unit_pid NAME - its main process; 0 when there is none
unit_pid() { systemctl show -P MainPID "$1"; }

# --- containers ---------------------------------------------------------------------------------------------------

# pct_setup - the command pct of the real path, played (tests/vm/pct), with or without systemd as PID 1
pct_setup() {
	mkdir -p /etc/pve/nodes/pve/lxc
	ln -sfn nodes/pve/lxc /etc/pve/lxc
	mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
	ln -sf "$TOP/tests/vm/pct" /usr/sbin/pct
}
# pct_conf VMID COMMAND - a container's config; COMMAND is a line of sh that SIGPWR ends (unless it traps that):
# pct_conf 105 'exec sleep infinity 7</dev/dri/card0'
pct_conf() { printf 'arch: amd64\nostype: debian\nlxc.init.cmd: %s\n' "$2" >"/etc/pve/lxc/$1.conf"; }
# pct_pid VMID - the pid of its init, as the host sees it
pct_pid() { cat "/run/pct-$1.pid"; }
