"""Images and blobs to push: made here, the same bytes every time (a fixed seed), with layers that are real gzip tars and
configurations that are valid. Their content is random, so that nothing compresses and no server gains by guessing."""

import gzip
import hashlib
import io
import json
import random
import struct
import tarfile
import zlib
from dataclasses import dataclass, field

KIB = 1024
MIB = 1024 * KIB
SEED = 20260101

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
# What docker sends; a registry may answer otherwise to a client that names nothing.
ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_MANIFEST))

# The largest stored block of deflate (RFC 1951, 3.2.4).
STORED_BYTES_MAX = 65_535


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Blob:
    content: bytes
    media_type: str = "application/octet-stream"

    @property
    def digest(self) -> str:
        return digest_of(self.content)

    def descriptor(self) -> dict:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


@dataclass(frozen=True)
class Manifest:
    """A manifest or index with what has to be pushed before it."""

    content: bytes
    media_type: str
    blobs: list[Blob] = field(default_factory=list)
    children: list["Manifest"] = field(default_factory=list)

    @property
    def digest(self) -> str:
        return digest_of(self.content)


@dataclass(frozen=True)
class Image:
    repository: str
    tag: str
    manifest: Manifest


def random_blob(name: str, size: int) -> Blob:
    return Blob(random.Random(f"{SEED}/{name}").randbytes(size))


def images() -> list[Image]:
    """One of each kind that clients push."""
    return [
        Image("bench/oci", "1", image_manifest("oci", [4 * KIB, 64 * KIB, 256 * KIB])),
        Image("bench/docker", "1", image_manifest("docker", [4 * KIB, 1 * MIB], docker=True)),
        Image("bench/platforms", "1", index([image_manifest(a, [64 * KIB], architecture=a) for a in ("amd64", "arm64")])),
    ]


def image_manifest(name: str, layer_sizes: list[int], architecture: str = "amd64", docker: bool = False, note: str | None = None) -> Manifest:
    """An image with layers that hold a random file of these sizes each; `note` becomes an annotation."""
    layers = [_layer(f"{name}/{number}", size, DOCKER_LAYER if docker else OCI_LAYER) for number, size in enumerate(layer_sizes)]
    config = Blob(
        json_bytes(
            {
                "architecture": architecture,
                "os": "linux",
                "created": "2026-01-01T00:00:00Z",
                "config": {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["/opt/bench"]},
                "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
                "history": [{"created": "2026-01-01T00:00:00Z", "created_by": f"COPY {n} /opt"} for n in range(len(layers))],
            }
        ),
        DOCKER_CONFIG if docker else OCI_CONFIG,
    )
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    blobs = [layer for layer, _ in layers]
    body = {"schemaVersion": 2, "mediaType": media_type, "config": config.descriptor(), "layers": [blob.descriptor() for blob in blobs]}
    if note is not None:
        body["annotations"] = {"dev.countersign.bench.note": note}
    return Manifest(json_bytes(body), media_type, [config, *blobs])


def annotated(manifest: Manifest, note: str) -> Manifest:
    """The same image under another digest: with another annotation."""
    body = json.loads(manifest.content) | {"annotations": {"dev.countersign.bench.note": note}}
    return Manifest(json_bytes(body), manifest.media_type, manifest.blobs)


def index(children: list[Manifest]) -> Manifest:
    entries = []
    for child in children:
        architecture = json.loads(child.blobs[0].content)["architecture"]
        entries.append(
            {
                "mediaType": child.media_type,
                "digest": child.digest,
                "size": len(child.content),
                "platform": {"architecture": architecture, "os": "linux"},
            }
        )
    return Manifest(json_bytes({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}), OCI_INDEX, children=children)


def _layer(name: str, size: int, media_type: str) -> tuple[Blob, str]:
    tar = _tar(f"opt/bench-{name.replace('/', '-')}", random_blob(f"layer/{name}", size).content)
    return Blob(gzip.compress(tar, compresslevel=6, mtime=0), media_type), digest_of(tar)


def _tar(path: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo(path)
        entry.size = len(content)
        entry.mode = 0o755
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def json_bytes(value) -> bytes:
    return json.dumps(value, indent=2).encode()


class UniqueBlobs:
    """Any number of distinct blobs of one size, without making any of them whole: they share all but their last bytes, and the hash
    is taken from where they part. So nothing is hashed or copied while the clock runs."""

    def __init__(self, size: int):
        self.head = random_blob(f"unique/{size}", size - 32).content
        self._hash = hashlib.sha256(self.head)

    def blob(self, name: str) -> tuple[list[bytes], str]:
        """The pieces of the blob with this name, and its digest."""
        return self._finish(hashlib.sha256(f"{SEED}/{name}".encode()).digest())

    def _finish(self, tail: bytes) -> tuple[list[bytes], str]:
        whole = self._hash.copy()
        whole.update(tail)
        return [self.head, tail], "sha256:" + whole.hexdigest()


class UniqueLayers(UniqueBlobs):
    """The same for layers: each blob is a gzip tar with one file of random bytes, as a client would push it, and can be read as one.
    Stored blocks, because random bytes do not compress."""

    def __init__(self, size: int):
        # The file's size goes into the tar's header; what gzip and tar add is small, so the blob is a little larger than `size`.
        content = random_blob(f"layers/{size}", size - size % 512).content
        tar = _tar("opt/bench", content)
        self._file_end = 512 + len(content)
        shared, self._rest = tar[: self._file_end - 32], tar[self._file_end :]
        blocks = [shared[at : at + STORED_BYTES_MAX] for at in range(0, len(shared), STORED_BYTES_MAX)]
        # RFC 1952 2.3: no name, no time, unknown system.
        self.head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + b"".join(_stored(block) for block in blocks)
        self._crc = zlib.crc32(shared)
        self._tar_bytes = len(tar)
        self._hash = hashlib.sha256(self.head)

    def blob(self, name: str) -> tuple[list[bytes], str]:
        end = hashlib.sha256(f"{SEED}/{name}".encode()).digest() + self._rest
        return self._finish(_stored(end, last=True) + struct.pack("<II", zlib.crc32(end, self._crc), self._tar_bytes & 0xFFFFFFFF))


def _stored(block: bytes, last: bool = False) -> bytes:
    """RFC 1951 3.2.4: the bit of the last block, the length, and its complement."""
    return struct.pack("<BHH", int(last), len(block), len(block) ^ 0xFFFF) + block
