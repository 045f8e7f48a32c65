"""What the kernel knows of a process: processor time and memory. Processor time is the figure to trust on a busy machine."""

import os
import time
from dataclasses import dataclass

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Bytes: resident now, of that anonymous, and the most that was ever resident (VmRSS, RssAnon, VmHWM)."""

    resident: int
    anonymous: int
    peak: int


def cpu_seconds(pid: int) -> float:
    """utime + stime of /proc/PID/stat, in seconds; its unit is a tick of 10 ms."""
    with open(f"/proc/{pid}/stat") as file:
        # The name in parentheses may hold spaces: count from behind it.
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def memory(pid: int) -> Memory:
    values = {}
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in ("VmRSS", "RssAnon", "VmHWM"):
                values[name] = int(value.split()[0]) * 1024
    return Memory(values["VmRSS"], values["RssAnon"], values["VmHWM"])


def wait_until_quiet(pids: list[int], seconds_max: float = 60.0) -> bool:
    """Waits until none of the processes works: twice in a row less than 3 % of one core over half a second. Says whether they came
    to rest in time."""
    window = 0.5
    calm = 0
    before = [cpu_seconds(pid) for pid in pids]
    end = time.monotonic() + seconds_max
    while time.monotonic() < end:
        time.sleep(window)
        now = [cpu_seconds(pid) for pid in pids]
        used = max((after - first) / window for first, after in zip(before, now, strict=True))
        calm = calm + 1 if used < 0.03 else 0
        if calm == 2:
            return True
        before = now
    return False
