"""The test bed: an emulated PVE host with a real kernel, a real IOMMU and real drivers.

Used by `run` (scenarios) and `demo`. A guest is one QEMU process; what happens in it is decided by guest-init.
Guest and host talk over three ways, so that nothing mixes: the first serial port is the kernel's console
(console.log), the second carries test results and requests (see Guest.obey), and a writable 9p share is the log
folder itself (script.log, trace.log).
"""
import hashlib
import json
import os
import pathlib
import selectors
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import time
import zlib

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
KERNELS = ("6.1", "6.12", "7")
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")

# Root port rpN always exists and always is the Nth, hence bus 0N whatever else is there: an address is a fact a
# scenario may rely on. Each port isolates (ACS), so each preset is an IOMMU group of its own.
# {out} is the boot's own log folder.
PORTS = 9
PRESETS = {
    # a card as they come: display and sound in one slot. Drivers bochs-drm, snd_hda_intel. No FLR: no reset of one function.
    "gpu": "-device bochs-display,id=gpu1,bus=rp1,addr=0.0,multifunction=on "  # 0000:01:00.0  1234:1111
           "-device intel-hda,id=hda1,bus=rp1,addr=0.1 "                       # 0000:01:00.1  8086:2668
           "-device hda-output,bus=hda1.0,audiodev=mute",
    "gpu2": "-device bochs-display,id=gpu2,bus=rp2,addr=0.0,multifunction=on "  # 0000:02:00.0, the same card again
            "-device intel-hda,id=hda2,bus=rp2,addr=0.1 "                       # 0000:02:00.1
            "-device hda-output,bus=hda2.0,audiodev=mute",
    "nic": "-netdev user,id=net0,restrict=on "
           "-device e1000e,id=nic,bus=rp3,netdev=net0",                         # 0000:03:00.0  8086:10d3  e1000e
    "nvme": "-drive file={out}/nvme.img,if=none,id=nvme0,format=raw "
            "-device nvme,id=nvme,bus=rp4,drive=nvme0,serial=bed",              # 0000:04:00.0  1b36:0010  nvme
    "edu": "-device edu,id=edu,bus=rp5",                                        # 0000:05:00.0  1234:11e8  no driver
    "testdev": "-device pci-testdev,id=testdev,bus=rp6",                        # 0000:06:00.0  1b36:0005  no driver
    "usb": "-drive file={out}/usb.img,if=none,id=usb0,format=raw "
           "-device qemu-xhci,id=usb,bus=rp7 "                                  # 0000:07:00.0  1b36:000d  xhci_hcd
           "-device usb-storage,bus=usb.0,drive=usb0",
    "vga": "-device VGA,id=vga,bus=rp8",                                        # 0000:08:00.0  1234:1111  bochs-drm
    # two devices that the IOMMU cannot tell apart: one group, with the bridge, 0000:09:00.0, in it
    "shared": "-device pcie-pci-bridge,id=shared,bus=rp9 "
              "-device edu,id=shared1,bus=shared,addr=1.0 "                     # 0000:0a:01.0  1234:11e8  no driver
              "-netdev user,id=net1,restrict=on "
              "-device e1000,id=shared2,bus=shared,addr=2.0,netdev=net1",       # 0000:0a:02.0  8086:100e  e1000
}
IMAGES = {"nvme": "nvme.img", "usb": "usb.img"}  # scratch disks, empty at each boot
IMAGE_SIZE = 64 << 20

MACHINE = ("-machine q35,kernel-irqchip=split -cpu max,la57=off -nodefaults -vga none "
           "-display none -audiodev none,id=mute -no-reboot -device intel-iommu,intremap=on,caching-mode=on")
# panic=-1 with -no-reboot: a panic ends QEMU at once instead of running into the timeout. tty1 before ttyS0: the
# last one is /dev/console, and both get the kernel's messages.
# The crypto self-tests are half a second of every boot. The timer check counts ticks in a busy loop, and panics when
# this machine is busy. The keys of SysRq are for Guest.last_words().
APPEND = ("intel_iommu=on iommu=pt console=tty1 console=ttyS0 panic=-1 cryptomgr.notests no_timer_check "
          "sysrq_always_enabled")
OVMF = "/usr/share/OVMF/OVMF_CODE_4M.fd"


# The headers' time-outs are for a machine with nothing else to do. Here they only end what hangs: on one that is busy
# with other things a boot takes several times as long, and that says nothing of what is tested.
PATIENCE = 4

# Two processors, emulated in turns. With a thread for each (thread=multi) QEMU's TCG may write to the wrong device, or die, when
# one processor moves a BAR while another writes to any device: accel/tcg/cputlb.c keeps what it found across a wait for the
# lock (7.2: a crash in memory_region_dispatch_write() after some hundred lends; a doorbell of 9p lost, and who read waits for
# ever). Every lend moves BARs. Switching the memory space of a card (setpci COMMAND) without end while processes start shows it
# within a minute, most of all on a busy machine. In turns it is quicker besides: who waits burns no processor of this machine.
PROCESSORS = "-accel tcg,thread=single -smp 2"
# A VM in the bed that is not paused: where two take turns it may never get on.
ONE_PROCESSOR = "-accel tcg,thread=single -smp 1"

# Unplugging moves BARs from yet another thread. A lost write to the timer of a processor makes that sleep for ever: any interrupt
# wakes it, so that a guest which says nothing for so many seconds gets one.
SILENCE = 30


class BedError(Exception):
    """The bed cannot do what was asked: a missing tool, kernel or preset."""


class Scenario:
    """One file of scenarios/: a header of `#: key value` lines, then a sh body. `run` documents the keys."""

    KEYS = ("summary", "devices", "qemu", "append", "remove", "kernels", "firmware", "timeout", "memory", "coldplug",
            "long", "init", "modules", "inner")

    def __init__(self, path):
        self.path = pathlib.Path(path).resolve()
        self.name = self.path.stem
        keys = {}
        for number, line in enumerate(self.path.read_text().splitlines(), 1):
            if not line.startswith("#:"):
                continue
            key, _, value = line[2:].strip().partition(" ")
            if key not in self.KEYS:
                raise BedError(f"{path}:{number}: no key '{key}' (there are {', '.join(self.KEYS)})")
            keys[key] = (keys.get(key, "") + " " + value).strip()
        self.configure(keys)

    @classmethod
    def plain(cls, devices):
        """A topology without a script, for the shell."""
        self = cls.__new__(cls)
        self.path, self.name = pathlib.Path("/dev/null"), "shell"
        self.configure({"devices": " ".join(devices)})
        return self

    def configure(self, keys):
        self.summary = keys.get("summary", "")
        self.devices = self.known(keys.get("devices", ""), PRESETS, "preset")
        self.kernels = self.known(keys.get("kernels", "6.1"), KERNELS, "kernel")
        self.firmware = "".join(self.known(keys.get("firmware", ""), ("ovmf", "bios"), "firmware"))
        self.qemu = shlex.split(keys.get("qemu", ""))
        self.append = keys.get("append", "").split()
        self.remove = keys.get("remove", "").split()
        self.timeout = PATIENCE * int(keys.get("timeout", 120))
        self.memory = int(keys.get("memory", 1024))
        self.coldplug = keys.get("coldplug", "yes")
        self.long = "long" in keys
        self.modules = keys.get("modules", "no") == "yes"
        self.inner = keys.get("inner", "").split()
        self.init = "".join(self.known(keys.get("init", ""), ("systemd",), "init"))

    def known(self, words, those, what):
        for word in words.split():
            if word not in those:
                raise BedError(f"{self.name}: no {what} '{word}' (there are {', '.join(those)})")
        return words.split()


class Kernel:
    """A kernel of `kernels`, fetched if need be, with the bed's initrd."""

    def __init__(self, name):
        self.name = name
        self.dir = pathlib.Path(output_of([HERE / "kernels", name]))
        self.version = (self.dir / "version").read_text().strip()
        self.vmlinuz = self.dir / "vmlinuz"
        self.vmlinux = self.dir / "vmlinux"
        if not self.vmlinux.exists():
            self.unpack()
        self.initrd = output_of([HERE / "initrd", self.dir, "bed", HERE / "initrd-init", *MODULES])

    def adversaries(self):
        """The folder with the modules of adversary/ for it, built if need be."""
        return output_of([HERE / "modules", self.name])

    def inner(self, modules):
        """An initrd with agent-init and these modules, for a VM in the bed."""
        return output_of([HERE / "initrd", self.dir, "agent", HERE / "agent-init", *modules])

    def unpack(self):
        """Make vmlinux: QEMU starts an unpacked kernel directly, without firmware, 3 s sooner than the packed one."""
        image = self.vmlinuz.read_bytes()
        # The kernel's Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length. The payload
        # ends with its unpacked size, 4 bytes that are not the packer's.
        start, length = struct.unpack_from("<II", image, 0x248)
        start += ((image[0x1f1] or 4) + 1) * 512
        payload = image[start:start + length - 4]
        tool = {b"\xfd7zX": "xz", b"\x28\xb5\x2f\xfd": "zstd"}.get(payload[:4])
        if not tool:
            raise BedError(f"{self.vmlinuz} is packed in a way unknown here")
        need(tool, "xz-utils zstd")
        part = self.dir / f"vmlinux.{os.getpid()}"
        with open(part, "wb") as out:
            subprocess.run([tool, "-qdc"], input=payload, stdout=out, check=True)
        part.rename(self.vmlinux)


def output_of(command):
    """What a program of ours prints; its messages go to our stderr as they come."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BedError(f"{os.path.basename(command[0])} failed (see above)")
    return done.stdout.strip()


def need(tool, package):
    if not shutil.which(tool):
        raise BedError(f"{tool} is missing: apt-get install {package}")


class Guest:
    """One scenario's machine: a boot, or several. `result` gets each finished test case, `said` each line that the
    scenario says, `note` what there is to know of the machine itself."""

    def __init__(self, kernel, scenario, out, result=None, said=None, note=None, shell=False, processors=None):
        self.kernel, self.scenario, self.out, self.shell = kernel, scenario, pathlib.Path(out), shell
        self.processors = processors or (ONE_PROCESSOR if scenario.inner else PROCESSORS)
        self.result = result or (lambda passed, text, seconds, detail: None)
        self.said = said or (lambda text: None)
        self.note = note or (lambda text: None)
        self.process = self.ctl = self.qmp = None
        self.pending = None  # a failed case whose "# detail" lines may still come
        self.boot = 0
        self.emulator = None  # what became of QEMU, if it died by itself: no guest may do that to it
        self.initrd = kernel.initrd  # of the boot that comes; None when there is none

    # --- starting -----------------------------------------------------------------------------------------------
    def command(self, ctl, qmp):
        s, append = self.scenario, APPEND.split()
        append = [a for a in append if a not in s.remove] + s.append
        append += [f"pvebind.top={TOP}", f"pvebind.modules={self.kernel.dir}/lib/modules/{self.kernel.version}"]
        if self.boot > 1:
            append += ["boot=bed", f"init={HERE}/guest-init"]  # for initramfs-tools; see initrd-init
        args = ["qemu-system-x86_64", *MACHINE.split(), *self.processors.split(), "-m", str(s.memory)]
        for n in range(1, PORTS + 1):
            args += ["-device", f"pcie-root-port,id=rp{n},bus=pcie.0,chassis={n},slot={n},addr={0x0f + n:#x}"]
        for preset in s.devices:
            args += [a.replace("{out}", str(self.out)) for a in PRESETS[preset].split()]
        # Without firmware the host has no text console of its own (vtcon0 is "dummy device"), as on a UEFI machine.
        image = self.kernel.vmlinuz if s.firmware else self.kernel.vmlinux
        if s.firmware == "ovmf":
            if not os.path.exists(OVMF):
                raise BedError(f"{OVMF} is missing: apt-get install ovmf")
            args += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}"]
        args += [a.replace("{out}", str(self.out)) for a in s.qemu]
        args += ["-kernel", str(image), "-initrd", str(self.initrd), "-append", " ".join(append)]
        args += ["-serial", "mon:stdio" if self.shell else f"file:{self.out}/console.log"]
        args += ["-chardev", f"socket,id=ctl,fd={ctl}", "-serial", "chardev:ctl"]
        args += ["-chardev", f"socket,id=qmp,fd={qmp}", "-mon", "chardev=qmp,mode=control"]
        # / spans file systems (a container, /boot): remap keeps their inode numbers apart.
        args += ["-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"]
        args += ["-virtfs", f"local,path={self.out},mount_tag=out,security_model=none,multidevs=remap"]
        return args

    def prepare(self):
        need("qemu-system-x86_64", "qemu-system-x86")
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)
        for preset in self.scenario.devices:
            if preset in IMAGES:
                with open(self.out / IMAGES[preset], "wb") as image:
                    image.truncate(IMAGE_SIZE)
        self.started = time.monotonic()

    def keep_logs(self):
        """Those of the boot before: console-1.log."""
        for name in ("console.log", "script.log", "trace.log", "qemu.log"):
            log = self.out / name
            if log.exists():
                log.rename(log.with_stem(f"{log.stem}-{self.boot}"))

    def start(self):
        if self.boot:
            self.keep_logs()
        self.boot += 1
        self.tests = 0
        self.awake = False  # until the guest's hello, the channel may carry what firmware says
        self.last = time.monotonic()
        env = {"TOP": TOP, "BOOT": self.boot, "KERNEL": self.kernel.name, "KERNEL_DIR": self.kernel.dir,
               "SCENARIO": self.scenario.path,
               "HOOK": os.environ.get("HOOK", TOP / "build/pvebind-hook"), "COLDPLUG": self.scenario.coldplug,
               "INIT": self.scenario.init, "SHELL_ON": "yes" if self.shell else "no",
               "ADVERSARY": self.kernel.adversaries() if self.scenario.modules else "",
               "INNER": self.kernel.inner(self.scenario.inner) if self.scenario.inner else ""}
        (self.out / "env").write_text("".join(f"{k}={shlex.quote(str(v))}\n" for k, v in env.items()))
        self.ctl, ctl = socket.socketpair()
        self.qmp, qmp = socket.socketpair()
        command = self.command(ctl.fileno(), qmp.fileno())
        (self.out / "qemu.cmd").write_text(shlex.join(command) + "\n")
        self.initrd = None
        # Whatever becomes of us, even SIGKILL, QEMU goes too.
        with open(self.out / "qemu.log", "wb") as log:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command],
                                            stdin=None if self.shell else subprocess.DEVNULL,
                                            stdout=None if self.shell else log, stderr=log,
                                            pass_fds=(ctl.fileno(), qmp.fileno()))
        ctl.close()
        qmp.close()
        self.qmp.settimeout(30)
        self.qmp_file = self.qmp.makefile("rw", encoding="utf-8")
        self.qmp_file.readline()  # the greeting
        self.monitor({"execute": "qmp_capabilities"})

    def stop(self):
        if self.process:
            if self.shell:
                try:
                    self.process.wait(10)  # so that QEMU can put the terminal right
                except subprocess.TimeoutExpired:
                    pass
            self.process.kill()
            self.process.wait()
        for end in (self.ctl, self.qmp):
            if end:
                end.close()

    # --- serving ------------------------------------------------------------------------------------------------
    def run(self):
        """Boot, serve until the guest is done, as often as it asks for, and return why it failed as a whole, or None."""
        try:
            self.prepare()
            while self.initrd:
                initrd = self.initrd
                self.start()
                why = self.serve()
                if why and self.stillborn():
                    self.note("the emulator ran code that was being patched: the boot is tried once more")
                    self.stop()
                    self.boot -= 1
                    self.initrd = initrd
                    self.start()
                    why = self.serve()
                if why:
                    return why
                self.stop()
            return None
        except (OSError, ValueError) as error:
            # Most often QEMU ended, and has said why.
            return f"{self.why_gone()} ({error})"
        finally:
            self.settle()
            self.stop()

    def serve(self):
        end = None if self.shell else self.started + self.scenario.timeout
        rest, nudged = b"", None
        with selectors.DefaultSelector() as selector:
            selector.register(self.ctl, selectors.EVENT_READ)
            while True:
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    self.last_words()
                    return f"not done after {self.scenario.timeout} s"
                if not selector.select(left if left is None else min(left, SILENCE)):
                    if left is not None:
                        nudged = time.monotonic()
                        self.press("shift")
                    continue
                data = self.ctl.recv(4096)
                if nudged and time.monotonic() - nudged < 0.5:
                    self.note(f"it said nothing for {SILENCE} s or more, and went on when it got an interrupt")
                nudged = None
                if not data:
                    return None if self.shell else self.why_gone()
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    verdict = self.obey(line.decode(errors="replace").strip("\r"))
                    if verdict is not None:
                        return verdict or None

    def obey(self, line):
        """One line from the guest. Returns None to go on, "" for a good end, or what is wrong."""
        if not self.awake:
            self.awake = line == "hello"
            return None
        word, _, rest = line.partition(" ")
        if word == "#":
            if self.pending:
                self.pending[3].append(rest)
            return None
        self.settle()
        if word in ("ok", "not"):
            now = time.monotonic()
            self.tests += 1
            self.pending = [word == "ok", line.partition(" - ")[2], now - self.last, []]
            self.last = now
            if word == "ok":
                self.settle()
        elif word == "say":
            self.said(rest)
        elif word == "qmp":
            self.reply(self.try_monitor(rest))
        elif word == "shot":
            self.reply(self.shot(*rest.split()))
        elif word == "done":
            return self.counted(rest)
        elif word == "again":
            count, _, initrd = rest.partition(" ")
            self.initrd = self.out / initrd
            return self.counted(count)
        elif word == "ended":
            return f"the script ended (status {rest}) before its end"
        elif line:
            return f"the guest sent '{line}', which means nothing"
        return None

    def counted(self, count):
        """A boot's end: "", or what is wrong."""
        if self.tests == 0:
            return "it tested nothing"
        return "" if count == str(self.tests) else f"the guest counted {count} tests, we {self.tests}"

    def settle(self):
        if self.pending:
            self.result(*self.pending)
            self.pending = None

    def console(self):
        console = self.out / "console.log"
        return console.read_text(errors="replace") if console.exists() else ""

    def stillborn(self):
        """Before anything of ours ran an emulated processor met the int3 that Linux puts where it patches code, and took it for
        a fault: QEMU's TCG does so once in some thousand boots on a busy machine. No other panic is forgiven."""
        return not self.awake and "Oops: int3" in self.console()

    def why_gone(self):
        if "Kernel panic" in self.console():
            return "the guest's kernel panicked"
        error = (self.out / "qemu.log").read_text(errors="replace").strip()
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            status = 0
        if status < 0:
            self.emulator = f"QEMU died of {signal.Signals(-status).name}"
            return self.emulator
        return "QEMU ended" + (f": {error.splitlines()[-1]}" if error else "")

    def reply(self, text):
        # Short: the guest's serial port has no flow control worth the name.
        self.ctl.sendall(text.replace("\n", " ")[:2000].encode() + b"\n")

    def last_words(self):
        """What stands still, into console.log: the kernel's stacks of all tasks, of what each processor does and of who
        waits without an end to it. A scenario may have made the console quiet (8)."""
        for key in "8tlw":
            self.press("alt", "sysrq", key)
            time.sleep(3)

    def press(self, *keys):
        self.monitor({"execute": "send-key", "arguments": {"keys": [{"type": "qcode", "data": key} for key in keys]}})

    def monitor(self, command):
        self.qmp_file.write(json.dumps(command) + "\n")
        self.qmp_file.flush()
        while True:
            line = self.qmp_file.readline()
            if not line:
                raise OSError("the monitor is gone")
            answer = json.loads(line)
            if "event" not in answer:
                return answer

    def try_monitor(self, text):
        try:
            answer = self.monitor(json.loads(text))
        except ValueError as error:
            return f"error: {error}"
        return "error: " + answer["error"]["desc"] if "error" in answer else json.dumps(answer["return"])

    def shot(self, device, name):
        ppm = self.out / f"{name}.ppm"
        answer = self.monitor({"execute": "screendump", "arguments": {"filename": str(ppm), "device": device}})
        if "error" in answer:
            return "error: " + answer["error"]["desc"]
        width, height, pixels = read_ppm(ppm)
        write_png(self.out / f"{name}.png", width, height, pixels)
        colours = len({pixels[i:i + 3] for i in range(0, len(pixels), 3)})
        return f"{hashlib.sha256(pixels).hexdigest()} {width}x{height} {colours}"


def read_ppm(path):
    magic, size, depth, pixels = path.read_bytes().split(b"\n", 3)
    if magic != b"P6" or depth != b"255":
        raise ValueError(f"{path} is not a plain PPM")
    width, height = map(int, size.split())
    return width, height, pixels


def write_png(path, width, height, pixels):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + pixels[y * width * 3:(y + 1) * width * 3] for y in range(height))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))
