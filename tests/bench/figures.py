"""What tests/bench/run measures: series of times, rows of a table, and both as JSON.

A series is a list of times of one thing, in ms, one a round. A row compares two of them: the ratio is taken within each
round, where both ran one after the other, and the median of these is what counts.
"""
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import time


def median(values):
    return statistics.median(values)


def p95(values):
    """The smallest of them that 95 % do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


class Figures:
    def __init__(self, rounds):
        self.rounds = rounds
        self.series, self.rows, self.values, self.facts = {}, [], {}, {}

    def take(self, prefix, text, column):
        """Series PREFIX.LABEL from what race printed; column: wall, or the processor's time, or its user part."""
        pick = {"wall": lambda w, u, s: w, "cpu": lambda w, u, s: u + s, "user": lambda w, u, s: u}[column]
        for line in text.splitlines():
            label, wall, user, system, _ = line.split()
            self.series.setdefault(f"{prefix}.{label}", []).append(pick(int(wall), int(user), int(system)) / 1000)

    def ratio(self, what, ours, theirs, reach=None):
        """A row: series ours ÷ series theirs. Nothing if one of them was not measured."""
        a, b = self.series.get(ours), self.series.get(theirs)
        if not a or not b:
            return
        ratios = [x / y for x, y in zip(a, b) if y > 0]
        self.row(what, median(ratios), reach, p95=p95(ratios), ours=ours, theirs=theirs)

    def pooled(self, what, ours, theirs, reach=None):
        """A row of all rounds together: for what a single one is too short to measure (user time comes in ticks)."""
        a, b = self.series.get(ours), self.series.get(theirs)
        if a and b and sum(b):
            self.row(what, sum(a) / sum(b), reach, ours=ours, theirs=theirs)

    def row(self, what, value, reach=None, unit="", **more):
        self.rows.append({"what": what, "value": round(value, 3), "unit": unit, "reach": reach,
                          "met": None if reach is None else value <= reach, **more})

    def value(self, name, value):
        self.values[name] = value

    # --- printing -----------------------------------------------------------------------------------------------
    def print(self):
        print(f"\n{'times in ms, of ' + str(self.rounds) + ' rounds':44} {'median':>9} {'p95':>9} {'least':>9}")
        for name, values in self.series.items():
            print(f"{name:44} {median(values):9.2f} {p95(values):9.2f} {min(values):9.2f}")
        print(f"\n{'ratio (of the rounds: median, p95)':64} {'':>8} {'p95':>8} {'reach':>8}")
        for row in self.rows:
            reach = "" if row["reach"] is None else f"{row['reach']:g}"
            verdict = {None: "", True: "met", False: "NOT MET"}[row["met"]]
            spread = f"{row['p95']:8.2f}" if "p95" in row else " " * 8
            print(f"{row['what']:64} {row['value']:8.2f} {spread} {reach:>8} {row['unit']} {verdict}".rstrip())
        print()
        for name, text in self.facts.items():
            print(f"{name}: {text}")

    def write(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"rounds": self.rounds, "facts": self.facts, "rows": self.rows, "values": self.values,
                                    "series": self.series}, indent=1) + "\n")


def first_line(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError:
        return "not there"
    return done.stdout.splitlines()[0].strip() if done.stdout else "silent"


def machine_facts(top):
    cpu = [line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
           if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    release = pathlib.Path("/etc/os-release").read_text()
    header = (top / "libbind/pvebind.h").read_text()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{cpu[0] if cpu else platform.machine()}, {os.cpu_count()} processors, {memory:.0f} GiB",
        "load": " ".join(f"{n:.1f}" for n in os.getloadavg()),
        "kernel": f"Linux {platform.release()}",
        "system": release.split('PRETTY_NAME="')[1].split('"')[0],
        "pvebind": header.split('PVB_VERSION "')[1].split('"')[0],
        "compiler": first_line("cc", "--version"),
        "lspci": first_line("lspci", "--version"),
        "fuser": first_line("fuser", "--version"),
        "qemu": first_line("qemu-system-x86_64", "--version"),
    }
