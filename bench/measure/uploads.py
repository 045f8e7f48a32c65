"""Loads that write: unique blobs, each client one after the other on a connection of its own. The blobs exist before the clock
starts (`material.UniqueBlobs`), so that the client only sends."""

import os
import time

from measure import Failed, crew
from measure.figures import Run, percentile
from measure.material import UniqueBlobs, digest_of
from measure.pushing import push_blob
from measure.servers import Server


def upload(server: Server, blobs: UniqueBlobs, name: str, clients: int, count_max: int, seconds: float, with_patch: bool = False) -> Run:
    """Uploads for `seconds`, or until each client has done its share of `count_max`, to the repository `bench/NAME`. A blob that was
    begun in time is ended and counts, and so does its time. Afterwards some are read back."""
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
    for number, report in enumerate(reports):
        _read_back(server, repository, [blobs.blob(f"{name}/{number}/{place}") for place in {0, int(report.done) - 1}])
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


def _read_back(server: Server, repository: str, blobs: list):
    with server.connection() as connection:
        for _, digest in blobs:
            answer = connection.ask("GET", f"/v2/{repository}/blobs/{digest}")
            if answer.status != 200 or digest_of(answer.body) != digest:
                raise Failed(f"{server.label}: the uploaded blob {digest} does not come back as it went in ({answer.status})")
