"""What is measured side by side: one table, from which runs, tables and documentation come. The targets are ratios to
docker-registry as Debian ships it; where there is none, the figure is for information."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from measure import Failed, reads, uploads
from measure.figures import Run
from measure.material import ACCEPT, KIB, MIB, Blob, Image, UniqueBlobs, UniqueLayers, images, random_blob
from measure.servers import Server


@dataclass(frozen=True)
class Scale:
    """How much: the full run, or a smoke run that only shows that everything still works."""

    seconds: int
    repeats: int
    large_bytes: int = 100 * MIB
    small_uploads: int = 20_000
    middle_uploads: int = 512
    large_uploads: int = 12
    quick: bool = False
    """A smoke run: servers do not come to rest between runs, and no target is judged."""


QUICK = Scale(seconds=1, repeats=1, large_bytes=4 * MIB, small_uploads=32, middle_uploads=8, large_uploads=4, quick=True)


@dataclass(frozen=True)
class Step:
    name: str
    title: str
    unit: str
    """`req/s`, `blobs/s`, or `MB/s`: what the rate of this step is."""
    target: float | None
    load: Callable[[Server, str], Run]
    """The load against a server; the text names this run, so that no two upload the same."""
    bytes_kept: int = 0
    """What it leaves on the disk of each server."""
    bytes_for_a_while: int = 0
    """What each of its runs writes and removes."""


class Material:
    """All that is pushed before the clock starts."""

    def __init__(self, scale: Scale):
        self.images: list[Image] = images()
        sizes = {"10 KiB": 10 * KIB, "1 MiB": MIB, large_label(scale): scale.large_bytes}
        self.blobs: dict[str, Blob] = {label: random_blob(label, size) for label, size in sizes.items()}
        self.repository = "bench/blobs"


def large_label(scale: Scale) -> str:
    return f"{scale.large_bytes // MIB} MiB"


def all_steps(material: Material, scale: Scale) -> list[Step]:
    return _manifest_steps(material, scale) + _blob_steps(material, scale) + _upload_steps(scale)


def selected(steps: list[Step], only: str | None) -> list[Step]:
    """The steps whose names match one of the patterns, such as `manifest-*,upload-10k-*`."""
    patterns = only.split(",") if only else ["*"]
    found = [step for step in steps if any(fnmatchcase(step.name, pattern) for pattern in patterns)]
    if not found:
        raise Failed(f"no step matches `{only}`; there are: {', '.join(step.name for step in steps)}")
    return found


def _manifest_steps(material: Material, scale: Scale) -> list[Step]:
    image = material.images[0]
    accept = {"Accept": ACCEPT}
    steps = []
    for method, load in (("GET", reads.get), ("HEAD", reads.head)):
        for how, reference in (("tag", image.tag), ("digest", image.manifest.digest)):
            target = f"/v2/{image.repository}/manifests/{reference}"
            run = _read(load, target, accept, 16, scale.seconds)
            steps.append(Step(f"manifest-{method.lower()}-{how}", f"manifest {method} by {how}, 16 connections", "req/s", 10.0, run))
    return steps


def _blob_steps(material: Material, scale: Scale) -> list[Step]:
    steps = []
    small = f"/v2/{material.repository}/blobs/{material.blobs['10 KiB'].digest}"
    steps.append(Step("blob-get-10k", "blob GET 10 KiB, 16 connections", "req/s", 10.0, _read(reads.get, small, {}, 16, scale.seconds)))
    for size, short, goal in (("1 MiB", "1m", None), (large_label(scale), "100m", 0.9)):
        blob = material.blobs[size]
        for connections in (1, 4):
            run = _download(f"/v2/{material.repository}/blobs/{blob.digest}", len(blob.content), connections, scale.seconds)
            steps.append(Step(f"blob-get-{short}-{connections}", f"blob GET {size}, {_connections(connections)}", "MB/s", goal, run))
    return steps


def _upload_steps(scale: Scale) -> list[Step]:
    small, middle = UniqueBlobs(10 * KIB), UniqueBlobs(MIB)
    large, layers = UniqueBlobs(scale.large_bytes), UniqueLayers(scale.large_bytes)
    size = large_label(scale)
    return [
        *[_upload("10k", "10 KiB", small, n, scale.small_uploads, scale, 3.0) for n in (1, 8)],
        *[_upload("10k-patch", "10 KiB with PATCH", small, n, scale.small_uploads, scale, None, with_patch=True) for n in (1, 8)],
        *[_upload("1m", "1 MiB", middle, n, scale.middle_uploads, scale, None) for n in (1, 8)],
        *[_upload("100m", size, large, n, scale.large_uploads, scale, 1.5) for n in (1, 4)],
        *[_upload("100m-layer", f"{size}, a layer", layers, n, scale.large_uploads, scale, None) for n in (1, 4)],
    ]


def _read(load, target: str, headers: dict[str, str], connections: int, seconds: int):
    return lambda server, _: reads.during(server, lambda: load(server.address, target, headers, connections, seconds))


def _download(target: str, size: int, connections: int, seconds: int):
    return lambda server, _: reads.during(server, lambda: reads.download(server.address, target, size, connections, seconds))


def _upload(short: str, size: str, blobs: UniqueBlobs, clients: int, count: int, scale: Scale, target: float | None, with_patch: bool = False) -> Step:
    def load(server: Server, name: str) -> Run:
        return uploads.upload(server, blobs, name, clients, count, scale.seconds, with_patch)

    unit = "MB/s" if short.startswith("100m") else "blobs/s"
    title = f"upload {size}, {clients} client{'s' if clients > 1 else ''}"
    if len(blobs.head) >= uploads.LARGE_BYTES:
        return Step(f"upload-{short}-{clients}", title, unit, target, load, bytes_for_a_while=count * len(blobs.head))
    # Of the smallest only some thousand are done in the time.
    return Step(f"upload-{short}-{clients}", title, unit, target, load, bytes_kept=5_000 * len(blobs.head) * scale.repeats)


def _connections(count: int) -> str:
    return f"{count} connection{'s' if count > 1 else ''}"
