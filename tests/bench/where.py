"""Where the hook's time goes, from a trace of the kernel's (where.sh): between one event and the next it goes to what
the process that runs is in by then."""
import collections
import re

EVENT = re.compile(r"^ *(?P<command>\S+)-(?P<pid>\d+) +\[\d+\] +\S+ +(?P<time>[\d.]+): (?P<name>\w+): (?P<rest>.*)$")
# By the numbers of x86-64.
CALLS = {
    "exec": (59,),
    "children: fork, end, wait": (56, 61, 231, 434),
    "opening": (2, 257, 437),
    "reading": (0, 17),
    "writing, to bind and unbind among it": (1, 18),
    "looking: links, folders, attributes": (3, 5, 89, 217, 262, 267, 269, 439),
}
OF = {number: what for what, numbers in CALLS.items() for number in numbers}


def events(text, program):
    """(µs, process, event, what comes with it), from the hook's exec to its end."""
    execs, hook = {}, None
    for match in filter(None, map(EVENT.match, text.splitlines())):
        time, pid, name, rest = float(match["time"]) * 1e6, int(match["pid"]), match["name"], match["rest"]
        if name == "sys_enter" and rest.startswith("NR 59 "):
            execs[pid] = time
        # A process has its new name from within its exec on.
        if hook is None and match["command"] == program[:15] and pid in execs:
            hook = pid
            yield execs[pid], pid, "sys_enter", "NR 59 "
        if hook is None:
            continue
        yield time, pid, name, rest
        if name == "sched_process_exit" and pid == hook:
            return


def shares(text, program):
    """µs and number by what they go to."""
    spent, count, calls = collections.Counter(), collections.Counter(), {}
    since, what = None, None
    for time, pid, name, rest in events(text, program):
        if since is not None:
            spent[what] += time - since
        since = time
        if name == "sys_enter":
            what = calls[pid] = OF.get(int(rest.split()[1]), "other calls")
            count[what] += 1
        elif name == "sys_exit":
            what = calls[pid] = "its own code"
        elif name == "page_fault_user":
            what = "page faults"
            count[what] += 1
        elif name == "sched_switch":
            to = int(re.search(r"next_pid=(\d+)", rest)[1])
            what = calls.get(to, "its own code") if to else "waiting"
    return spent, count


def table(text, program):
    """Lines for people, the largest first."""
    spent, count = shares(text, program)
    whole = sum(spent.values())
    lines = [f"{what:40} {us / 1000:8.2f} ms {100 * us / whole:4.0f} %  {count[what] or '':>5}" for what, us in spent.most_common()]
    return [*lines, f"{'all':40} {whole / 1000:8.2f} ms"], {what: round(us) for what, us in spent.items()}
