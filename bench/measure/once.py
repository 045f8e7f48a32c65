"""Runs one command and prints what it took, as JSON: `python3 -I -S once.py COMMAND…`. A program of its own, and a small one, because
Linux counts as the peak memory of a child also what its parent held when the child began (`ru_maxrss` lives on through execve, see
getrusage(2)): a child of the benchmark itself would never look smaller than the benchmark. `floor` is what this parent holds."""

import os
import sys
import time


def main(command: list[str]):
    nothing = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, nothing, stream) for stream in (0, 1, 2)]
    begun = time.perf_counter_ns()
    child = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    _, status, used = os.wait4(child, 0)
    ended = time.perf_counter_ns()
    print(
        f'{{"code": {os.waitstatus_to_exitcode(status)}, "wall_ms": {(ended - begun) / 1e6}, '
        f'"cpu_ms": {(used.ru_utime + used.ru_stime) * 1e3}, "peak": {used.ru_maxrss * 1024}, "floor": {_held()}}}'
    )


def _held() -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main(sys.argv[1:])
