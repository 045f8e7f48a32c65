"""Loads that write: unique blobs, each client one after the other on a connection of its own. The blobs exist before the clock
starts (`material.UniqueBlobs`), so that the client only sends."""

import os
import time

from measure import Failed, crew, process, say
from measure.figures import Run, percentile
from measure.material import UniqueBlobs, digest_of
from measure.pushing import push_blob
from measure.servers import Server

# Blobs of this size and more do not stay.
LARGE_BYTES = 1_000_000


def upload(server: Server, blobs: UniqueBlobs, name: str, clients: int, count_max: int, seconds: float, with_patch: bool = False) -> Run:
    """Uploads for `seconds`, or until each client has done its share of `count_max`, to the repository `bench/NAME`. A blob that was
    begun in time is ended and counts, and so does its time. Afterwards some are read back, and large ones removed."""
    repository = f"bench/{name}"
    share = max(1, count_max // clients)
    # Earlier runs, also of another server, have left nothing to be written.
    os.sync()

    def prepare(number: int):
        mine = [blobs.blob(f"{name}/{number}/{place}") for place in range(share)]
        connection = server.pusher()
        connection.ask("GET", "/v2/")
        return lambda: _upload(connection, repository, mine, seconds, with_patch)

    before = server.cpu_seconds()
    reports = crew.run(clients, prepare)
    cpu_seconds = server.cpu_seconds() - before
    latencies = [latency for report in reports for latency in report.latencies_ms]
    done = [[blobs.blob(f"{name}/{number}/{place}")[1] for place in range(int(report.done))] for number, report in enumerate(reports)]
    for digests in done:
        _read_back(server, repository, digests[:1] + digests[-1:])
    if len(blobs.head) >= LARGE_BYTES:
        _give_back(server, {digest.partition(":")[2] for digests in done for digest in digests})
    return Run(
        done=sum(report.done for report in reports),
        seconds=max(report.ended for report in reports) - min(report.begun for report in reports),
        bytes=sum(report.bytes for report in reports),
        p50_ms=percentile(latencies, 50),
        p99_ms=percentile(latencies, 99),
        server_cpu_seconds=cpu_seconds,
        client_cpu_seconds=sum(report.cpu_seconds for report in reports),
    )


def _upload(connection, repository: str, blobs: list, seconds: float, with_patch: bool):
    latencies, total = [], 0
    end = time.perf_counter() + seconds
    for body, digest in blobs:
        begun = time.perf_counter()
        if begun >= end:
            break
        push_blob(connection, repository, body, digest, with_patch)
        latencies.append((time.perf_counter() - begun) * 1e3)
        total += sum(map(len, body))
    return len(latencies), total, latencies


def _read_back(server: Server, repository: str, digests: list[str]):
    with server.connection() as connection:
        for digest in digests:
            answer = connection.ask("GET", f"/v2/{repository}/blobs/{digest}")
            if answer.status != 200 or digest_of(answer.body) != digest:
                raise Failed(f"{server.label}: the uploaded blob {digest} does not come back as it went in ({answer.status})")


def _give_back(server: Server, names: set[str]):
    """Removes the files of blobs that nobody asks for again, behind the server's back but once it is done with them: a run would fill
    the disk. Both servers keep a blob under its digest."""
    process.wait_until_quiet([server.pid], 20.0)
    removed = 0
    for folder, _, files in os.walk(server.data):
        for file in files:
            # `<digest>.<number>` is Countersign's, `<digest>/data` docker-registry's.
            if file.partition(".")[0] in names or os.path.basename(folder) in names and file == "data":
                os.unlink(os.path.join(folder, file))
                removed += 1
    if removed != len(names):
        say(f"note: {removed} of {len(names)} uploaded blobs were found on the disk of {server.label} to be removed; watch its free space")
