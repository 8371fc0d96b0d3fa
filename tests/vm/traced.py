"""The hook under tests/vm/tracer.c, and the points at which it can be struck. For tests/vm/sweep."""
import collections
import errno
import os
import select
import subprocess
import time

HOOK = os.environ["HOOK"]
TRACER = os.environ.get("TRACER", "/run/tracer")
VMID = "100"
TIMEOUT = 180  # seconds, for whatever a hook or command may take in here on a busy machine
PIPE_OPEN = "(a process keeps the pipe open)\n"

Point = collections.namedtuple("Point", "cold proc call count action")
Pair = collections.namedtuple("Pair", "first second")
NOWHERE = Point(False, None, None, 0, None)
Run = collections.namedtuple("Run", "status out calls hit tracer")


def strikes_of(point):
    """The points at which a run is struck."""
    points = point if isinstance(point, Pair) else [point]
    return [p for p in points if p.proc]


def text_of(point):
    if isinstance(point, Pair):
        return f"{text_of(point.first)}, then {text_of(point.second)}"
    action = errno.errorcode[int(point.action)] if point.action.isdigit() else point.action
    nth = f" ({point.count})" if point.count > 1 else ""
    return f"{action:<7} {'cold ' if point.cold else ''}{point.proc}: {point.call}{nth}"


class Tracer:
    """One traced run of the hook; its calls, and what it was struck at."""

    def __init__(self, phase, points=()):
        ours, theirs = os.pipe()
        args = [TRACER, "-o", str(theirs)]
        for point in points:
            args += ["-p", point.proc, "-c", point.call, "-n", str(point.count), "-a", point.action]
        self.strikes = len(points)
        self.process = subprocess.Popen([*args, HOOK, VMID, phase], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, pass_fds=(theirs,))
        os.close(theirs)
        self.ours, self.rest = ours, b""
        self.lines, self.gone = [], False

    def wait(self, *words):
        """Until one of the words starts a line, or all are gone. False: not in time."""
        end = time.monotonic() + TIMEOUT
        seen = 0
        while not self.gone:
            for line in self.lines[seen:]:
                if line.split()[0] in words:
                    return True
            seen = len(self.lines)
            if not select.select([self.ours], [], [], max(0, end - time.monotonic()))[0]:
                return False
            data = os.read(self.ours, 65536)
            self.gone = not data
            *lines, self.rest = (self.rest + data).split(b"\n")
            self.lines += [line.decode(errors="replace") for line in lines]
        return True

    def run(self):
        if not self.wait("idle"):
            self.process.kill()
            return Run(None, self.output(), self.calls(), False, self)
        status = [int(line.split()[1]) for line in self.lines if line.startswith("ended ")]
        return Run(status[0] if status else None, self.output(), self.calls(), self.hits() == self.strikes, self)

    def output(self):
        """What the hook said: read as far as it goes, as what lives on must not have the pipe."""
        data, out = b"", self.process.stdout.fileno()
        while select.select([out], [], [], 1)[0]:
            more = os.read(out, 65536)
            if not more:
                return data.decode(errors="replace")
            data += more
        return data.decode(errors="replace") + PIPE_OPEN

    def hits(self):
        return sum(line.startswith("hit ") for line in self.lines)

    def calls(self, since_hit=False):
        """As (process, call); without the hook's own start."""
        lines = self.lines
        if since_hit:
            lines = lines[next((i for i, line in enumerate(lines) if line.startswith("hit ")), len(lines)):]
        calls = [tuple(line.split(" ", 2)[1:]) for line in lines if line.startswith("call ")]
        return [call for call in calls if call != ("hook", f"exec {HOOK}")]

    def birth_of(self, program):
        """The how-manieth fork of the hook became this program; None where none did."""
        born = [line.split()[2] for line in self.lines if line.startswith("born hook ")]
        for line, after in zip(self.lines, self.lines[1:]):
            if line.startswith("call ") and f" exec {program}" in line and after.split()[1] in born:
                return born.index(after.split()[1]) + 1
        return None

    def all_gone(self):
        """Whether no process of the hook lives, or will for long."""
        end = time.monotonic() + 5
        while not self.gone and time.monotonic() < end:
            self.drain(end)
        self.process.wait() if self.gone else self.process.kill()
        self.process.stdout.close()
        os.close(self.ours)
        return self.gone

    def drain(self, end):
        if select.select([self.ours], [], [], max(0, end - time.monotonic()))[0]:
            self.gone = not os.read(self.ours, 65536)


def points_of(calls, cold=False, action="kill"):
    counts = collections.Counter()
    points = []
    for call in calls:
        counts[call] += 1
        points.append(Point(cold, *call, counts[call], action))
    return points


def folder_points(points):
    """Those of the hook until it has made the folder of its state, and one more: what it could not do without."""
    made = next(i for i, p in enumerate(points) if p.call.startswith("mkdir "))
    return points[:made + 2]


def loader_points(points):
    """Those of the worker that loads modules, which works alone: what lies between two forks."""
    stages = [[]]
    for point in points:
        if point.call == "fork":
            stages.append([])
        else:
            stages[-1].append(point)
    return [p for stage in stages if any(p.call.startswith("load ") for p in stage) for p in stage if p.proc != "hook"]
