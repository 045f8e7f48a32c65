"""Loads that read: `wrk` for GET of small bodies; for HEAD, where wrk waits for a body that does not come, clients of our own; for
large bodies clients of our own too, because wrk reads 8 KiB at a time and would be what is measured."""

import json
import resource
import selectors
import socket
import subprocess
import tempfile
import time

from measure import Failed, crew
from measure.figures import Run, percentile
from measure.servers import Server, need
from measure.wire import Connection

# Prints what wrk would print for people, for a program. Latencies are in microseconds.
WRK_REPORT = """
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\\nREPORT {"requests":%d,"us":%d,"bytes":%d,"failed":%d,"status":%d,"p50":%f,"p99":%f}\\n',
    summary.requests, summary.duration, summary.bytes, e.connect + e.read + e.write + e.timeout, e.status,
    latency:percentile(50), latency:percentile(99)))
end
"""
# Two processes or threads: one cannot keep two cores of a server busy, more would take its cores away.
GENERATORS_MAX = 2
RECEIVE_BYTES = 1024 * 1024


def get(address: tuple[str, int], target: str, headers: dict[str, str], connections: int, seconds: int) -> Run:
    """GET with wrk, over and over. Any answer but 2xx and 3xx is a failure."""
    threads = min(GENERATORS_MAX, connections)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK_REPORT)
        script.flush()
        command = [need("wrk", "wrk"), "-t", str(threads), "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s", "-s", script.name]
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        before = _children_cpu_seconds()
        done = subprocess.run([*command, f"http://{address[0]}:{address[1]}{target}"], capture_output=True, text=True)
    line = next((line for line in done.stdout.splitlines() if line.startswith("REPORT ")), None)
    if done.returncode or not line:
        raise Failed(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    told = json.loads(line.removeprefix("REPORT "))
    if told["status"] or told["failed"]:
        raise Failed(f"of {told['requests']} requests for {target} {told['status']} were answered with an error and {told['failed']} not at all")
    cpu = _children_cpu_seconds() - before
    return Run(told["requests"], told["us"] / 1e6, told["bytes"], told["p50"] / 1e3, told["p99"] / 1e3, client_cpu_seconds=cpu)


def _children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def head(address: tuple[str, int], target: str, headers: dict[str, str], connections: int, seconds: float) -> Run:
    """HEAD over and over, each connection with one request under way. Every answer is checked: 200, and nothing after the head."""
    generators = min(GENERATORS_MAX, connections)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"HEAD {target} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n{lines}\r\n".encode()

    def prepare(number: int):
        mine = len(range(number, connections, generators))
        sockets = [_connected(address) for _ in range(mine)]
        return lambda: _ask_heads(sockets, request, seconds)

    reports = crew.run(generators, prepare)
    latencies = [latency for report in reports for latency in report.latencies_ms]
    return _whole(reports, latencies)


def _ask_heads(sockets: list[socket.socket], request: bytes, seconds: float):
    selector = selectors.EpollSelector()
    latencies = []
    clock = time.perf_counter
    sent_at = {}
    for connection in sockets:
        selector.register(connection, selectors.EVENT_READ)
        connection.sendall(request)
        sent_at[connection] = clock()
    end = clock() + seconds
    parts: dict[socket.socket, bytes] = {}
    size = 0
    while True:
        ready = selector.select(10)
        if not ready:
            raise Failed("no answer to HEAD for 10 s")
        for key, _ in ready:
            connection = key.fileobj
            answer = connection.recv(RECEIVE_BYTES)
            size += len(answer)
            if connection in parts:
                answer = parts.pop(connection) + answer
            if not answer.endswith(b"\r\n\r\n"):
                if not answer or len(answer) > 65_536:
                    raise Failed("an answer to HEAD does not end with its head")
                parts[connection] = answer
                continue
            if not answer.startswith(b"HTTP/1.1 200 ") or answer.index(b"\r\n\r\n") != len(answer) - 4:
                raise Failed(f"HEAD was answered with {answer[:200]!r}")
            now = clock()
            latencies.append((now - sent_at[connection]) * 1e3)
            sent_at[connection] = now
            if now < end:
                connection.sendall(request)
        if clock() >= end:
            return len(latencies), size, latencies


def download(address: tuple[str, int], target: str, size: int, connections: int, seconds: float) -> Run:
    """GET of a large body, each connection one after the other. Bytes are counted as they arrive, also of the last, unfinished one;
    each whole body must have its length."""

    def prepare(_: int):
        connection = Connection(address)
        connection.open()
        buffer = bytearray(RECEIVE_BYTES)
        return lambda: _download(connection, target, size, seconds, buffer)

    reports = crew.run(connections, prepare)
    latencies = [latency for report in reports for latency in report.latencies_ms]
    return _whole(reports, latencies)


def _download(connection: Connection, target: str, size: int, seconds: float, buffer: bytearray):
    total, latencies = 0, []
    end = time.perf_counter() + seconds
    while True:
        begun = time.perf_counter()
        for received in connection.drain(target, size, buffer):
            total += received
            if time.perf_counter() >= end:
                return total / size, total, latencies
        latencies.append((time.perf_counter() - begun) * 1e3)


def _connected(address: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(address, timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _whole(reports: list[crew.Report], latencies: list[float]) -> Run:
    return Run(
        done=sum(report.done for report in reports),
        seconds=max(report.ended for report in reports) - min(report.begun for report in reports),
        bytes=sum(report.bytes for report in reports),
        p50_ms=percentile(latencies, 50),
        p99_ms=percentile(latencies, 99),
        client_cpu_seconds=sum(report.cpu_seconds for report in reports),
    )


def during(server: Server, load) -> Run:
    """Runs a load and adds what it cost the server."""
    server.check_alive()
    before = server.cpu_seconds()
    run = load()
    run.server_cpu_seconds = server.cpu_seconds() - before
    server.check_alive()
    return run
