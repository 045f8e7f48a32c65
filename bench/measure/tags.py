"""Many tags in one repository: how long the server takes to start, and to list, resolve and delete, when there are 100,000 of them.
Countersign gets its tags over HTTP, sixteen beside the one in the path (`?tag=`). docker-registry has no such thing and would take
most of an hour, so its tags are laid down as the files that it keeps, and then asked for like the others."""

import os
import time
from pathlib import Path

from measure import Failed, conditions, crew, process, pushing, say
from measure.figures import percentile
from measure.material import ACCEPT, OCI_MANIFEST, Manifest, annotated, image_manifest
from measure.servers import Countersign, DockerRegistry, Server
from measure.wire import Connection

REPOSITORY = "bench/tags"
TAGS_A_MANIFEST = 17
CLIENTS = 4
SAMPLES = 200
PAGE = 100
# The most names that Countersign puts in one page.
LONGEST = 10_000
# What one tag takes on either disk, rounded up: docker-registry has five folders and two files for it.
BYTES_A_TAG = 32 * 1024
LIMIT_MS = 10.0
SECONDS_MAX = 20.0
# Countersign reads each new image in the background; that is not what is measured.
REST_SECONDS_MAX = 900.0


def run(subject: Countersign, peers: list[Server], count: int, quick: bool, command: str) -> dict:
    """Fills the servers, starts them anew, and asks them. Ends with the servers running."""
    # GOGC is no question here.
    servers = [subject, *[peer for peer in peers if peer.name == "docker-registry"]]
    conditions.check_folder(subject.folder.parent, count * BYTES_A_TAG * len(servers) + 200_000_000)
    told = conditions.describe(command, subject.folder, {server.name: server.version() for server in servers})
    groups = _groups(count)
    samples = 20 if quick else SAMPLES
    rests = {}
    for server in servers:
        server.start()
        begun = time.perf_counter()
        _fill(server, groups)
        say(f"{server.label}: {count} tags made in {time.perf_counter() - begun:.1f} s")
        rests[server.name] = process.wait_until_quiet([server.pid], REST_SECONDS_MAX)
    starts = {server.name: _starts(server) for server in servers}
    names = sorted(tag for tags, _ in groups for tag in tags)
    for server in servers:
        _check(server, names)
    acts = [_act(*act, servers, samples, quick) for act in _acts(groups, names)]
    for server in servers:
        server.check_alive()
    return {
        "kind": "tags",
        "conditions": told,
        "quick": quick,
        "servers": {server.name: server.label for server in servers},
        "tags": count,
        "manifests": len(groups),
        "samples": samples,
        "acts": acts,
        "start": starts,
        "at_rest": rests,
        "peak": {server.name: server.memory().peak for server in servers},
    }


def _groups(count: int) -> list[tuple[list[str], Manifest]]:
    """Tags as builds make them, and the manifest that they name."""
    base = image_manifest("tags", [4096])
    groups = []
    for first in range(0, count, TAGS_A_MANIFEST):
        tags = [f"build-{number:06d}" for number in range(first, min(count, first + TAGS_A_MANIFEST))]
        groups.append((tags, annotated(base, tags[0])))
    return groups


def _fill(server: Server, groups: list[tuple[list[str], Manifest]]):
    with server.pusher() as connection:
        for blob in groups[0][1].blobs:
            pushing.push_blob(connection, REPOSITORY, blob.content, blob.digest)
    by_tag = isinstance(server, Countersign)

    def prepare(number: int):
        mine = groups[number::CLIENTS]
        connection = server.pusher()
        return lambda: _push(connection, mine, by_tag)

    crew.run(CLIENTS, prepare)
    if isinstance(server, DockerRegistry):
        for tags, manifest in groups:
            for tag in tags:
                _lay_down(server.data, tag, manifest.digest)


def _push(connection: Connection, groups: list[tuple[list[str], Manifest]], by_tag: bool):
    for tags, manifest in groups:
        if by_tag:
            query = "?" + "&".join(f"tag={tag}" for tag in tags[1:]) if tags[1:] else ""
            pushing.push_manifest(connection, REPOSITORY, tags[0], manifest, query)
        else:
            pushing.push_manifest(connection, REPOSITORY, manifest.digest, manifest)
    return len(groups), 0, []


def _lay_down(root: Path, tag: str, digest: str):
    """distribution `registry/storage/paths.go`: a tag's current link, and its index of all manifests that it ever named."""
    algorithm, _, hexadecimal = digest.partition(":")
    folder = root / "docker/registry/v2/repositories" / REPOSITORY / "_manifests/tags" / tag
    for place in (folder / "current", folder / "index" / algorithm / hexadecimal):
        os.makedirs(place)
        (place / "link").write_text(digest)


def _starts(server: Server) -> dict:
    """Start-up after a stop and after a kill, and memory when all is quiet."""
    server.stop()
    after_stop = server.start().started_in_seconds
    process.wait_until_quiet([server.pid], 120.0)
    server.stop(kill=True)
    after_kill = server.start().started_in_seconds
    process.wait_until_quiet([server.pid], 120.0)
    say(f"{server.label}: up in {after_stop * 1e3:.0f} ms, after kill -9 in {after_kill * 1e3:.0f} ms, {server.memory().resident / 1e6:.0f} MB idle")
    return {"after_stop": after_stop, "after_kill": after_kill, "idle": server.memory().resident}


def _check(server: Server, names: list[str]):
    """All tags are there; of Countersign's, in order and on pages that fit together (distribution-spec end-8). docker-registry 2.8
    gives all at once, in the order of its folders."""
    found, target = [], f"/v2/{REPOSITORY}/tags/list?n=1000"
    with server.connection() as connection:
        while target:
            answer = connection.ask("GET", target)
            page = answer.json()["tags"]
            link = answer.headers.get("link", "")
            target = link[link.index("<") + 1 : link.index(">")] if link and page else None
            found += page
    if not isinstance(server, Countersign):
        found.sort()
    if found != names:
        raise Failed(f"{server.label} lists {len(found)} tags instead of {len(names)}, or others, or in another order")


def _acts(groups, names: list[str]) -> list[tuple[str, float | None, object, int]]:
    """Title, limit, request by number, expected status. Numbers are spread over the whole repository."""

    def spread(number: int, of: list):
        return of[(number * 7919) % len(of)]

    place = f"/v2/{REPOSITORY}"
    digests = [manifest.digest for _, manifest in groups]
    # Deleted ones are at the end of what is asked for: each once.
    doomed = [tags[1] for tags, _ in groups[1::2] if len(tags) > 1]
    doomed_digests = digests[2::2]
    return [
        ("list: tags/list, a server's own page", LIMIT_MS, lambda n: ("GET", f"{place}/tags/list"), 200),
        (f"list: the longest page, {LONGEST:,} names", LIMIT_MS, lambda n: ("GET", f"{place}/tags/list?n={LONGEST}"), 200),
        (f"page: the first {PAGE}", LIMIT_MS, lambda n: ("GET", f"{place}/tags/list?n={PAGE}"), 200),
        (f"page: {PAGE} somewhere", LIMIT_MS, lambda n: ("GET", f"{place}/tags/list?n={PAGE}&last={spread(n, names)}"), 200),
        ("resolve: HEAD by tag", LIMIT_MS, lambda n: ("HEAD", f"{place}/manifests/{spread(n, names)}"), 200),
        ("GET by tag", LIMIT_MS, lambda n: ("GET", f"{place}/manifests/{spread(n, names)}"), 200),
        ("GET by digest", LIMIT_MS, lambda n: ("GET", f"{place}/manifests/{spread(n, digests)}"), 200),
        ("delete a tag", LIMIT_MS, lambda n: ("DELETE", f"{place}/manifests/{doomed[n]}"), 202),
        (f"delete a manifest with {TAGS_A_MANIFEST} tags", LIMIT_MS, lambda n: ("DELETE", f"{place}/manifests/{doomed_digests[n]}"), 202),
    ]


def _act(title: str, limit_ms: float | None, request, status: int, servers: list[Server], samples: int, quick: bool) -> dict:
    """Times an act on each server, after a few that do not count where it can be repeated."""
    answer = {"title": title, "limit_ms": None if quick else limit_ms, "ms": {}}
    for server in servers:
        with server.pusher() as connection:
            if status == 200:
                for number in range(5):
                    _timed(connection, *request(number), status)
            else:
                connection.ask("GET", f"/v2/{REPOSITORY}/tags/list?n=1")
            try:
                taken = _samples(connection, request, status, samples)
            except Failed as error:
                if isinstance(server, Countersign):
                    raise Failed(f"{title}: {error}") from error
                say(f"{title}, {server.label}: {error}")
                continue
        answer["ms"][server.name] = {"p50": percentile(taken, 50), "p99": percentile(taken, 99), "samples": len(taken)}
        say(f"{title}, {server.label}: p50 {percentile(taken, 50):.2f} ms, p99 {percentile(taken, 99):.2f} ms")
    return answer


def _samples(connection: Connection, request, status: int, samples: int) -> list[float]:
    """As many as asked for, or what fits into the time for one act: some requests take a second and more."""
    taken = []
    end = time.perf_counter() + SECONDS_MAX
    while len(taken) < samples and time.perf_counter() < end:
        taken.append(_timed(connection, *request(len(taken)), status))
    return taken


def _timed(connection: Connection, method: str, target: str, status: int) -> float:
    begun = time.perf_counter()
    answer = connection.ask(method, target, {"Accept": ACCEPT})
    taken = (time.perf_counter() - begun) * 1e3
    if answer.status != status:
        raise Failed(f"{method} {target} was answered with {answer.status} {answer.error_code()} instead of {status}")
    if status == 200 and "/manifests/" in target and answer.headers["content-type"] != OCI_MANIFEST:
        raise Failed(f"{method} {target} is a {answer.headers['content-type']}")
    return taken
