#: summary the bed itself: what is plugged in is where the presets say
#: devices gpu gpu2 nic nvme edu testdev usb vga shared
#: kernels 6.1 6.12 7
# shellcheck shell=bash

where() { is "$1 is $2 on $3" "$(ids "$1") $(driver "$1")" "$2 $3"; }
where 01:00.0 "1234 1111" bochs-drm
where 01:00.1 "8086 2668" snd_hda_intel
where 02:00.0 "1234 1111" bochs-drm
where 02:00.1 "8086 2668" snd_hda_intel
where 03:00.0 "8086 10d3" e1000e
where 04:00.0 "1b36 0010" nvme
where 05:00.0 "1234 11e8" none
where 06:00.0 "1b36 0005" none
where 07:00.0 "1b36 000d" xhci_hcd
where 08:00.0 "1234 1111" bochs-drm
where 0a:01.0 "1234 11e8" none
where 0a:02.0 "8086 100e" e1000

is "the two functions of a card share a group" "$(members 01:00)" "0000:01:00.0 0000:01:00.1"
for a in 03:00 04:00 05:00 06:00 07:00 08:00; do
	is "$a has a group of its own" "$(members $a)" "0000:$a.0"
done
is "what is behind the bridge shares a group with it" "$(members 0a:01)" "0000:09:00.0 0000:0a:01.0 0000:0a:02.0"
ok "the NVMe disk is there" wait_for 10 test -b /dev/nvme0n1
ok "the USB disk is there" wait_for 20 test -b /dev/sda

is "three frame buffers" "$(wc -l </proc/fb)" 3
echo "text on the first card" >/dev/tty1
first=$(shot gpu1 first)
second=$(shot gpu2 second)
isnt "two cards show two different pictures" "$first" "$second"
like "a picture has a size" "$first" '^[0-9a-f]{64} [0-9]+x[0-9]+ [0-9]+$'

ok "a device can be unplugged" qmp '{"execute":"device_del","arguments":{"id":"testdev"}}'
ok "and goes" wait_for 15 test ! -e "$(dev 06:00)"
fails_with 1 "a wrong request says so" qmp '{"execute":"no-such-thing"}'
