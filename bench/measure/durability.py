"""What a server does to the disk for one upload of 10 KiB, before it answers 201: its system calls, in order, as strace(1) sees them. A
fast upload that syncs less is not the same upload."""

import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from measure import Failed, conditions, process, pushing
from measure.material import KIB, UniqueBlobs
from measure.servers import Countersign, Server, need

SIZE = 10 * KIB
REPOSITORY = "bench/durability"
SYNCS = ("fsync", "fdatasync", "sync_file_range", "syncfs", "sync")
NAMES = ("rename", "renameat", "renameat2", "link", "linkat")
WRITES = ("write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg")
TRACED = (*SYNCS, *NAMES, *WRITES, "openat", "open", "mkdir", "mkdirat")
ATTACH_SECONDS_MAX = 20.0

LINE = re.compile(r"^(?P<thread>\d+) +(?P<rest>.*)$")
BEGUN = re.compile(r"^(?P<name>\w+)\((?P<arguments>.*?) *<unfinished \.\.\.>$")
ENDED = re.compile(r"^<\.\.\. (?P<name>\w+) resumed>(?P<arguments>.*)\) += (?P<result>.*)$")
WHOLE = re.compile(r"^(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>.*)$")
DESCRIPTOR = re.compile(r"^\d+<(?P<path>[^>]*)>")
# Digests, identifiers of uploads.
LONG = re.compile(r"\b([0-9a-f]{8})(?:[0-9a-f]{56}|[0-9a-f]{24}|-[0-9a-f-]{27})\b")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass
class Call:
    """One system call that ended well, in the order in which they ended."""

    name: str
    path: str
    """The file it is about; of a rename the new name; empty for a socket."""
    detail: str
    bytes: int = 0
    answer: int | None = None
    """The status, where the call sent an answer."""


def run(subject: Countersign, peers: list[Server], command: str) -> dict:
    servers = [subject, *[peer for peer in peers if peer.name == "docker-registry"]]
    conditions.check_folder(subject.folder.parent, 100_000_000)
    told = conditions.describe(command, subject.folder, {server.name: server.version() for server in servers})
    traces = {}
    for server in servers:
        calls = _trace(server.start())
        traces[server.name] = _judge(server, calls)
    return {"kind": "durability", "conditions": told, "servers": {server.name: server.label for server in servers}, "traces": traces}


def _trace(server: Server) -> list[Call]:
    """Uploads once to make repository and connection, then once more under strace."""
    blobs = UniqueBlobs(SIZE)
    output = server.folder / "strace"
    with server.pusher() as connection:
        pushing.push_blob(connection, REPOSITORY, *blobs.blob("durability/before"))
        process.wait_until_quiet([server.pid])
        command = [need("strace", "strace"), "-f", "-y", "-s", "64", "-e", "signal=none", "-e", f"trace={_known(TRACED)}", "-o", str(output), "-p", str(server.pid)]
        tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
        try:
            _wait_until_attached(server.pid, tracer)
            pushing.push_blob(connection, REPOSITORY, *blobs.blob("durability/traced"))
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
            tracer.stderr.close()
    calls = list(_calls(output, server.folder))
    ends = [at for at, call in enumerate(calls) if call.answer == 201]
    if not ends:
        raise Failed(f"strace did not see {server.label} answer 201")
    return calls[: ends[-1] + 1]


def _known(names: tuple[str, ...]) -> str:
    """strace refuses a name that this processor's kernel does not have; `?` makes it forgive."""
    return ",".join("?" + name for name in names)


def _wait_until_attached(pid: int, tracer: subprocess.Popen):
    """Until every thread has a tracer."""
    end = time.monotonic() + ATTACH_SECONDS_MAX
    while time.monotonic() < end:
        if tracer.poll() is not None:
            raise Failed(f"strace cannot attach: {tracer.stderr.read().decode().strip()}")
        statuses = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
        if statuses and all(f"TracerPid:\t{tracer.pid}\n" in status for status in statuses):
            return
        time.sleep(0.05)
    raise Failed("strace did not attach to all threads in time")


def _calls(output: Path, folder: Path):
    begun: dict[str, tuple[str, str]] = {}
    for line in output.read_text(errors="replace").splitlines():
        matched = LINE.match(line)
        if not matched:
            continue
        thread, rest = matched["thread"], matched["rest"]
        if found := BEGUN.match(rest):
            begun[thread] = (found["name"], found["arguments"])
        elif found := ENDED.match(rest):
            name, arguments = begun.pop(thread, (found["name"], ""))
            yield from _call(name, arguments + found["arguments"], found["result"], folder)
        elif found := WHOLE.match(rest):
            yield from _call(found["name"], found["arguments"], found["result"], folder)


def _call(name: str, arguments: str, result: str, folder: Path):
    """The call, if it failed not and is about the server's files or an answer."""
    value = result.split("<")[0].split(" ")[0]
    if not value.lstrip("-").isdigit() or int(value) < 0:
        return
    descriptor = DESCRIPTOR.match(arguments)
    path = _inside(descriptor["path"], folder) if descriptor else None
    if name in WRITES:
        answer = re.search(r'"HTTP/1\.1 (\d{3})', arguments)
        if answer:
            yield Call("answer", "", answer[1], answer=int(answer[1]))
        elif path:
            yield Call(name, path, "", int(value))
    elif name in SYNCS:
        yield Call(name, path or "(everything)", "")
    elif name in NAMES:
        old, new = (_inside(text, folder) or text for text in QUOTED.findall(arguments)[:2])
        yield Call(name, new, f"from {old}")
    elif name in ("open", "openat"):
        flags = [flag for flag in ("O_CREAT", "O_DIRECT", "O_SYNC", "O_DSYNC") if re.search(rf"\b{flag}\b", arguments)]
        opened = _inside(QUOTED.search(arguments)[1], folder)
        if flags and opened:
            yield Call(name, opened, "|".join(flags))
    elif made := _inside(QUOTED.search(arguments)[1], folder):
        yield Call(name, made, "")


def _inside(path: str, folder: Path) -> str | None:
    """A path below the server's folder, relative to it."""
    prefix = str(folder) + "/"
    return path.removeprefix(prefix) if path.startswith(prefix) else None


def _judge(server: Server, calls: list[Call]) -> dict:
    syncs = [call for call in calls if call.name in SYNCS]
    return {
        "syncs": len(syncs),
        "renames": sum(call.name in NAMES for call in calls),
        "findings": [*_blob(calls), *_metadata(server, calls)],
        "calls": _lines(calls),
    }


def _blob(calls: list[Call]) -> list[str]:
    """Whether the blob's bytes and its last name were synced before the answer."""
    received: dict[str, int] = {}
    for call in calls:
        if call.name in WRITES:
            received[call.path] = received.get(call.path, 0) + call.bytes
    # SQLite and links are not the blob: the blob got exactly its size.
    files = [path for path, size in received.items() if size == SIZE]
    if len(files) != 1:
        return [f"the blob's file is not recognised among {sorted(received)}"]
    file = files[0]
    last_write = max(at for at, call in enumerate(calls) if call.name in WRITES and call.path == file)
    findings = []
    is_synced = any(call.name in SYNCS and call.path == file for call in calls[last_write:])
    named = [(at, call) for at, call in enumerate(calls) if call.name in NAMES and call.detail == f"from {file}"]
    if named:
        at, final = named[-1]
        is_synced = is_synced or any(call.name in SYNCS and call.path == final.path for call in calls[at:])
        parent = str(PurePosixPath(final.path).parent)
        is_named = any(call.name in SYNCS and call.path == parent for call in calls[at:])
        findings.append(f"folder of its name {'synced' if is_named else '**not synced** after the rename'}")
    return [f"blob {'synced' if is_synced else '**not synced**'}", *findings]


def _metadata(server: Server, calls: list[Call]) -> list[str]:
    """What else was written and synced: the rows or files that say that the repository has the blob."""
    written = {call.path for call in calls if call.name in WRITES}
    if isinstance(server, Countersign):
        databases = {path for path in written if path.endswith(("-wal", ".db", ".sqlite", ".sqlite3"))}
        unsynced = [path for path in databases if not _synced_after_last_write(calls, path)]
        return [f"database {'**not synced**: ' + ', '.join(unsynced) if unsynced or not databases else 'synced'}"]
    links = {path for path in written if path.endswith("/link")}
    unsynced = [path for path in links if not _synced_after_last_write(calls, path)]
    return [f"link in the repository {'**not synced**' if unsynced or not links else 'synced'}"]


def _synced_after_last_write(calls: list[Call], path: str) -> bool:
    last = max(at for at, call in enumerate(calls) if call.name in WRITES and call.path == path)
    return any(call.name in SYNCS and call.path == path for call in calls[last:])


def _lines(calls: list[Call]) -> list[str]:
    """For people: writes to one file that follow each other are one line, and names are shortened."""
    lines: list[str] = []
    at = 0
    while at < len(calls):
        call = calls[at]
        same = at
        while same < len(calls) and call.name in WRITES and calls[same].name == call.name and calls[same].path == call.path:
            same += 1
        if same > at:
            size = sum(other.bytes for other in calls[at:same])
            count = same - at
            lines.append(f"{call.name:<10} {call.path}  {size} bytes" + (f" in {count} calls" if count > 1 else ""))
            at = same
            continue
        lines.append(f"{call.name:<10} {call.path} {call.detail}".rstrip())
        at += 1
    return [LONG.sub(r"\1…", line) for line in lines]
