"""The state of the host, as far as a lend changes it. For tests/vm/sweep."""
import os
import pathlib

STATE = pathlib.Path("/run/pvebind")
PCI = pathlib.Path("/sys/bus/pci/devices")


def read(path):
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return "-"


class Host:
    """What a lend and its return must leave as it was."""

    def __init__(self, lent):
        self.lent = lent
        self.home = self.look()

    def device(self, address):
        driver = PCI / address / "driver"
        words = [os.path.basename(os.readlink(driver)) if driver.is_symlink() else "none"]
        words += [read(PCI / address / name) for name in
                  ("driver_override", "power/control", "d3cold_allowed", "reset_method")]
        return " ".join(words)

    def look(self):
        state = {address: self.device(address) for address in sorted(os.listdir(PCI))}
        for console in sorted(pathlib.Path("/sys/class/vtconsole").iterdir()):
            state[console.name] = read(console / "name") + " bind=" + read(console / "bind")
        state["fb"] = read(pathlib.Path("/proc/fb"))
        return state

    def left(self):
        """Files in /run/pvebind that are more than a lock: a lend's, or, empty, a device's."""
        if not STATE.exists():
            return []
        return sorted(f.name for f in STATE.iterdir()
                      # A guard that was killed leaves its lock, with its pid in it: the next one takes it over.
                      if not f.name.endswith(".guard") and
                      (f.stat().st_size or not f.name.endswith((".lock", ".bound")) and f.name not in self.lent))

    def not_home(self, but=()):
        """What is not as it was, as sentences."""
        now = self.look()
        return [f"{key}: {now.get(key, 'gone')}, not {self.home.get(key, 'there')}"
                for key in sorted(set(now) | set(self.home)) if now.get(key) != self.home.get(key) and key not in but]

    def not_lent(self):
        """What of the lent is not on vfio-pci, awake, with the override that keeps it there."""
        wrong = [f"{a}: {self.device(a)}" for a in self.lent if not self.device(a).startswith("vfio-pci vfio-pci on 0")]
        return wrong + [f"the frame buffer is there: {fb}" for fb in [read(pathlib.Path("/proc/fb"))] if fb]
