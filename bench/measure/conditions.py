"""Under which conditions figures came about: without them a figure says nothing."""

import datetime
import os
import platform
import subprocess
import sys
from pathlib import Path

from measure import Failed


def describe(command: str, folder: Path, versions: dict[str, str]) -> dict:
    """The date, the machine, the file system, the command, and what was measured."""
    repository = Path(__file__).resolve().parents[2]
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": command,
        "commit": _git(repository),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release(),
        "system": _system(),
        "file_system": file_system(folder),
        "load_average_before": round(os.getloadavg()[0], 2),
        "python": sys.version.split()[0],
        "versions": versions,
    }


def file_system(folder: Path) -> str:
    """The kind of file system that a folder is on."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, found, *_ = line.split()
        if (str(folder) + "/").startswith(place.rstrip("/") + "/") and len(place) >= len(best):
            best, kind = place, found
    return kind


def check_folder(folder: Path, bytes_needed: int):
    """Refuses a folder where a sync costs nothing, or that would fill up."""
    if file_system(folder) in ("tmpfs", "ramfs"):
        raise Failed(f"`{folder}` is in memory, where nothing has to be synced: name a folder on a disk with --data")
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize
    if free < bytes_needed:
        raise Failed(f"`{folder}` has {free / 1e9:.0f} GB free and this run writes {bytes_needed / 1e9:.0f} GB: name another with --data, or use --only or fewer --repeats")


def _git(repository: Path) -> str:
    def ask(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True).stdout.strip()

    changed = " with changes" if ask("status", "--porcelain", "--untracked-files=no") else ""
    return (ask("rev-parse", "--short=12", "HEAD") or "unknown") + changed


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"
