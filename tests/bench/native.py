"""What is measured on the machine itself, by hand-made trees: processor time, system calls, list, holders."""
import collections
import re
import subprocess


class Tree:
    """A machine of so many functions, with a kernel beside it (tree.c)."""

    def __init__(self, build, functions):
        self.process = subprocess.Popen([build / "tests/bench-tree", str(functions)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.path, self.address = self.process.stdout.readline().split()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def race(build, rounds, course):
    """What race prints of the course, a text or groups of lines."""
    log = build / "bench/race.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    text = course if isinstance(course, str) else "\n\n".join("\n".join(group) for group in course)
    done = subprocess.run([build / "tests/bench/race", str(rounds), log], input=text, stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode:
        tail = log.read_text(errors="replace").splitlines()[-10:]
        raise RuntimeError("race failed:\n  " + "\n  ".join(tail))
    return done.stdout


def there_and_back(build, tree, label):
    hook = f"{build}/pvebind-hook --root {tree.path} 100"
    return [f"{label}.out {hook} pre-start", f"{label}.home {hook} post-stop"]


def one(figures, build):
    """The hook's own user and system time for one function, beside lspci -n of this machine."""
    with Tree(build, 16) as tree:
        text = race(build, figures.rounds, [there_and_back(build, tree, "hook"), ["lspci lspci -n"],
                                            [f"nothing {build}/pvebind-hook --version"]])
        figures.take("native", text, "cpu")
        figures.ratio("one function, native: pre-start ÷ lspci -n", "native.hook.out", "native.lspci", 0.5)
        figures.ratio("one function, native: post-stop ÷ lspci -n", "native.hook.home", "native.lspci", 0.5)
        figures.ratio("  of it exec, linking and end (--version) ÷ pre-start", "native.nothing",
                      "native.hook.out")
        figures.value("system calls of pre-start", calls_by_what(traced(build, tree, "pre-start"), tree))
        figures.value("system calls of post-stop", calls_by_what(traced(build, tree, "post-stop"), tree))


# What a system call is for, by the path it names; the first that matches.
WHAT = (
    ("linking", r'/(lib|usr/lib)/|ld\.so|execve|mprotect|arch_prctl|prlimit|"/proc/self/exe"|getrandom|\bbrk\b'),
    ("kernel", r'(bind|driver_override|drivers_probe|control|d3cold_allowed)", O_WRONLY'),
    ("journal", r'run/pvebind|pread64|pwrite64|rename|flock|boot_id'),
    ("config", r'etc/|proc/cmdline|run/qemu-server|run/systemd'),
    ("holders", r'proc/\d+|refcnt|dev/'),
    ("snapshot", r'sys/|proc/'),
    ("processes", r'clone|fork|wait|pidfd|poll|pipe|close_range|dup|SIGCHLD|prctl|getppid|getpid|exit'),
    ("log", r'write\(1,|socket|connect|send'),
)


def traced(build, tree, phase):
    trace = build / "bench/strace"
    trace.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["strace", "-f", "-qq", "-y", "-o", trace, build / "pvebind-hook", "--root", tree.path, "100", phase],
                   stdout=subprocess.DEVNULL, check=True)
    return [line.split(None, 1)[1] for line in trace.read_text(errors="replace").splitlines()
            if "resumed>" not in line and not re.match(r"\d+ +(\+\+\+|---)", line)]


def calls_by_what(lines, tree):
    """How many system calls there are for what. With strace -y, those on a descriptor tell its path, too."""
    count = collections.Counter()
    for line in lines:
        line = line.replace(tree.path + "/", "").replace(tree.path, "")
        count[next((what for what, pattern in WHAT if re.search(pattern, line)), "else")] += 1
    return dict(count.most_common(), all=sum(count.values()))


def growth(figures, build):
    """System calls and user time for one device of many."""
    sizes = (16, 256, 1024)
    trees = {n: Tree(build, n) for n in sizes}
    try:
        calls = {}
        for n in sizes:
            calls[n] = len(traced(build, trees[n], "pre-start"))
            traced(build, trees[n], "post-stop")
        # User time is counted in ticks, so that it takes many rounds to tell 10 %.
        text = race(build, 4 * figures.rounds, [there_and_back(build, trees[n], f"{n}") for n in sizes])
        figures.take("growth.user", text, "user")
        figures.take("growth.cpu", text, "cpu")
    finally:
        for tree in trees.values():
            tree.__exit__()
    for n in sizes[1:]:
        figures.row(f"growth: system calls of pre-start, {n} functions ÷ 16", calls[n] / calls[16], 1.1)
    for n in sizes[1:]:
        figures.pooled(f"growth: user time of pre-start, {n} functions ÷ 16", f"growth.user.{n}.out",
                       "growth.user.16.out", 1.1)
        figures.pooled(f"growth: user and system time of pre-start, {n} functions ÷ 16", f"growth.cpu.{n}.out",
                       "growth.cpu.16.out", 1.1)


def list_all(figures, build):
    """pvebind list beside lspci -nnk of the same 1,024 functions."""
    with Tree(build, 1024) as tree:
        text = race(build, figures.rounds, [[f"pvebind {build}/pvebind --root {tree.path} list"],
                                            [f"lspci lspci -nnk -O sysfs.path={tree.path}/sys/bus/pci"]])
    figures.take("list", text, "cpu")
    figures.ratio("list of 1,024 functions ÷ lspci -nnk", "list.pvebind", "list.lspci", 0.5)


def holders(figures, build):
    """A look at 2,000 processes of 50 descriptors each, beside fuser on the same nodes."""
    nodes = "/dev/full /dev/kmsg"  # whatever they are: nobody has them
    idlers = subprocess.Popen([build / "tests/bench/idlers", "2000", "50"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    try:
        if idlers.stdout.readline().strip() != "ready":
            raise RuntimeError("2,000 processes could not be made")
        text = race(build, figures.rounds, [[f"scan {build}/tests/bench-scan {nodes}"], [f"fuser? fuser -s {nodes}"]])
    finally:
        idlers.stdin.close()
        idlers.wait()
    # The look uses the processors there are; what a VM's start waits for is the time that passes.
    figures.take("holders", text, "wall")
    figures.take("holders.cpu", text, "cpu")
    figures.ratio("holders: a look at 2,000 processes ÷ fuser", "holders.scan", "holders.fuser", 0.5)
    figures.ratio("  the same in processor time", "holders.cpu.scan", "holders.cpu.fuser")
