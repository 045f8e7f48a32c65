"""Everybody at once: whole images pulled and pushed by many clients at the same moment, each on a connection of its own. Every body is
checked; nothing is asked a second time, so that an answer such as 503 shows."""

import asyncio
import hashlib
import resource
import time
from collections import Counter
from dataclasses import dataclass, field

from measure import Failed, conditions, process, pushing, say
from measure.figures import percentile
from measure.material import ACCEPT, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Blob, Image, Manifest, UniqueLayers, digest_of, image_manifest, json_bytes
from measure.servers import Countersign, Server
from measure.wire import place, with_query

REPOSITORY = "bench/crowd"
SECONDS_MAX = 600.0
REASONS_MAX = 5


@dataclass(frozen=True)
class Size:
    pulls: int = 1_000
    pushes: int = 200
    layers: int = 3
    layer_bytes: int = 1024 * 1024


@dataclass
class Tally:
    """What the crowd saw."""

    statuses: Counter = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    pull_ms: list[float] = field(default_factory=list)
    push_ms: list[float] = field(default_factory=list)


class Unexpected(Exception):
    """An answer that ends a client's work."""


def run(subject: Countersign, peers: list[Server], size: Size, quick: bool, command: str) -> dict:
    """The same crowd for each server, one after the other. Each server has the limits that it would have from this shell: only this
    process raises its own."""
    servers = [subject, *peers]
    conditions.check_folder(subject.folder.parent, size.pushes * size.layers * size.layer_bytes * len(servers) + 200_000_000)
    told = conditions.describe(command, subject.folder, {server.name: server.version() for server in servers})
    crowds = {}
    for server in servers:
        server.start()
        crowds[server.name] = _crowd(server, size)
        server.stop()
    return {
        "kind": "load",
        "conditions": told,
        "quick": quick,
        "servers": {server.name: server.label for server in servers},
        **vars(size),
        "crowds": crowds,
    }


def _crowd(server: Server, size: Size) -> dict:
    image = Image(REPOSITORY, "1", image_manifest("crowd", [size.layer_bytes] * size.layers))
    with server.pusher() as connection:
        pushing.push_image(connection, image)
    process.wait_until_quiet([server.pid])
    idle, cpu = server.memory().resident, server.cpu_seconds()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    begun = time.perf_counter()
    try:
        tally, pushed = asyncio.run(_all_at_once(server, image, size))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    seconds = time.perf_counter() - begun
    server.check_alive()
    _check_pushed(server, pushed)
    say(f"{server.label}: {dict(tally.statuses)} in {seconds:.1f} s, {len(tally.failures)} broken, peak {server.memory().peak / 1e6:.0f} MB")
    for failure, count in Counter(tally.failures).most_common(REASONS_MAX):
        say(f"  {count} times: {failure}")
    return {
        "statuses": {str(status): count for status, count in tally.statuses.items()},
        "failed": len(tally.failures),
        "reasons": dict(Counter(tally.failures).most_common(REASONS_MAX)),
        "pull_ms": _quantiles(tally.pull_ms),
        "push_ms": _quantiles(tally.push_ms),
        "seconds": seconds,
        "idle": idle,
        "peak": server.memory().peak,
        "server_cpu_seconds": server.cpu_seconds() - cpu,
        "files_max": limits[0],
    }


def _quantiles(values: list[float]) -> dict:
    return {"p50": percentile(values, 50), "p99": percentile(values, 99), "done": len(values)}


async def _all_at_once(server: Server, image: Image, size: Size) -> tuple[Tally, list[tuple[str, str]]]:
    tally, pushed = Tally(), []
    layers = UniqueLayers(size.layer_bytes)
    images = [_unique_image(layers, number, size.layers) for number in range(size.pushes)]
    clients = [_client(_pull(server, image, tally), tally.pull_ms, tally) for _ in range(size.pulls)]
    clients += [_client(_push(server, f"push-{number}", *made, tally, pushed), tally.push_ms, tally) for number, made in enumerate(images)]
    await asyncio.wait_for(asyncio.gather(*clients), SECONDS_MAX)
    return tally, pushed


def _unique_image(layers: UniqueLayers, number: int, count: int) -> tuple[Manifest, list[tuple[list[bytes], str]]]:
    """An image that shares nothing with the others, as its manifest and its blobs in pieces. Its layers' diff ids are not worked out:
    a registry stores an image that cannot be run like any other."""
    blobs = [layers.blob(f"crowd/{number}/{at}") for at in range(count)]
    config = Blob(f'{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[]}},"author":"{number}"}}'.encode(), OCI_CONFIG)
    descriptors = [{"mediaType": OCI_LAYER, "digest": digest, "size": sum(map(len, body))} for body, digest in blobs]
    content = json_bytes({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.descriptor(), "layers": descriptors})
    return Manifest(content, OCI_MANIFEST), [([config.content], config.digest), *blobs]


async def _client(work, latencies: list[float], tally: Tally):
    begun = time.perf_counter()
    try:
        await work
        latencies.append((time.perf_counter() - begun) * 1e3)
    except (Unexpected, OSError, asyncio.IncompleteReadError) as error:
        tally.failures.append(f"{type(error).__name__}: {error}" if not isinstance(error, Unexpected) else str(error))


async def _pull(server: Server, image: Image, tally: Tally):
    async with Wire(server, None, tally) as wire:
        manifest = await wire.ask("GET", f"/v2/{image.repository}/manifests/{image.tag}", {"Accept": ACCEPT}, 200)
        if manifest != image.manifest.content:
            raise Unexpected("a manifest came back with other bytes")
        for blob in image.manifest.blobs:
            await wire.check_blob(f"/v2/{image.repository}/blobs/{blob.digest}", blob.digest)


async def _push(server: Server, tag: str, manifest: Manifest, blobs: list[tuple[list[bytes], str]], tally: Tally, pushed: list):
    octets = {"Content-Type": "application/octet-stream"}
    async with Wire(server, server.push_authorization(), tally) as wire:
        for body, digest in blobs:
            await wire.ask("HEAD", f"/v2/{REPOSITORY}/blobs/{digest}", {}, 404)
            await wire.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/", {}, 202)
            await wire.ask("PATCH", place(wire.headers["location"]), octets, 202, body)
            await wire.ask("PUT", with_query(place(wire.headers["location"]), f"digest={digest}"), octets, 201)
        await wire.ask("PUT", f"/v2/{REPOSITORY}/manifests/{tag}", {"Content-Type": manifest.media_type}, 201, [manifest.content])
        pushed.append((tag, manifest.digest))


def _check_pushed(server: Server, pushed: list[tuple[str, str]]):
    """What was acknowledged is there."""
    with server.connection() as connection:
        for tag, digest in pushed:
            answer = connection.ask("GET", f"/v2/{REPOSITORY}/manifests/{tag}", {"Accept": ACCEPT})
            if answer.status != 200 or digest_of(answer.body) != digest:
                raise Failed(f"{server.label}: the pushed {tag} does not come back ({answer.status})")


class Wire:
    """HTTP/1.1 on one connection, as `measure.wire` but for many at once. Counts every status."""

    def __init__(self, server: Server, authorization: str | None, tally: Tally):
        self.address = server.address
        self.tally = tally
        self.headers: dict[str, str] = {}
        self._lines = f"Host: {self.address[0]}:{self.address[1]}\r\nUser-Agent: countersign-bench\r\n"
        if authorization:
            self._lines += f"Authorization: {authorization}\r\n"

    async def __aenter__(self) -> "Wire":
        self._reader, self._writer = await asyncio.open_connection(*self.address, limit=256 * 1024)
        return self

    async def __aexit__(self, *_):
        self._writer.close()

    async def ask(self, method: str, target: str, headers: dict[str, str], status: int, body: list[bytes] = ()) -> bytes:
        """The answer's body, if it has the status that is expected."""
        await self._send(method, target, headers, body)
        length = await self._head(method)
        content = await self._reader.readexactly(length)
        if self._status != status:
            raise Unexpected(f"{method} was answered with {self._status} instead of {status}: {content[:160].decode(errors='replace')}")
        return content

    async def check_blob(self, target: str, digest: str):
        """GET of a blob, hashed as it arrives."""
        await self._send("GET", target, {}, ())
        left = await self._head("GET")
        if self._status != 200:
            raise Unexpected(f"GET of a blob was answered with {self._status}")
        whole = hashlib.sha256()
        while left:
            received = await self._reader.read(min(left, 128 * 1024))
            if not received:
                raise Unexpected(f"a blob ended {left} bytes early")
            whole.update(received)
            left -= len(received)
        if f"sha256:{whole.hexdigest()}" != digest:
            raise Unexpected("a blob came back with other bytes")

    async def _send(self, method: str, target: str, headers: dict[str, str], body):
        lines = [f"{method} {target} HTTP/1.1\r\n", self._lines, *(f"{name}: {value}\r\n" for name, value in headers.items())]
        if method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {sum(map(len, body))}\r\n")
        self._writer.write("".join([*lines, "\r\n"]).encode())
        for piece in body:
            self._writer.write(piece)
            await self._writer.drain()

    async def _head(self, method: str) -> int:
        """Reads status and headers; answers the length of the body that follows."""
        try:
            first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.LimitOverrunError as error:
            raise Unexpected("the head of an answer does not end") from error
        self._status = int(first.split(" ", 2)[1])
        self.tally.statuses[self._status] += 1
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if method == "HEAD" or self._status in (204, 304):
            return 0
        if "content-length" not in self.headers:
            raise Unexpected(f"an answer to {method} has no length")
        return int(self.headers["content-length"])
