"""Pushing as clients do: blobs with POST and PUT (or POST, PATCH and PUT, as docker does), then the manifest."""

from measure import Failed
from measure.material import Image, Manifest
from measure.wire import Answer, Connection, place, with_query

OCTETS = {"Content-Type": "application/octet-stream"}


def push_blob(connection: Connection, repository: str, body, digest: str, with_patch: bool = False):
    """Uploads one blob, whole. Fails with whatever is not 202 and then 201."""
    begun = connection.ask("POST", f"/v2/{repository}/blobs/uploads/")
    session = _location(begun, 202, "POST of an upload")
    if with_patch:
        session = _location(connection.ask("PATCH", session, OCTETS, body), 202, "PATCH of an upload")
        body = None
    ended = connection.ask("PUT", with_query(session, f"digest={digest}"), OCTETS, body)
    _location(ended, 201, "PUT of an upload")
    if ended.headers.get("docker-content-digest", digest) != digest:
        raise Failed(f"an upload of {digest} was stored as {ended.headers['docker-content-digest']}")


def push_manifest(connection: Connection, repository: str, reference: str, manifest: Manifest, query: str = ""):
    answer = connection.ask("PUT", f"/v2/{repository}/manifests/{reference}{query}", {"Content-Type": manifest.media_type}, manifest.content)
    _location(answer, 201, "PUT of a manifest")


def push_image(connection: Connection, image: Image):
    """All of an image, what it refers to first."""
    for child in image.manifest.children:
        _push_whole(connection, image.repository, child.digest, child)
    _push_whole(connection, image.repository, image.tag, image.manifest)


def _push_whole(connection: Connection, repository: str, reference: str, manifest: Manifest):
    for blob in manifest.blobs:
        push_blob(connection, repository, blob.content, blob.digest)
    push_manifest(connection, repository, reference, manifest)


def _location(answer: Answer, status: int, what: str) -> str:
    if answer.status != status:
        raise Failed(f"{what} was answered with {answer.status} {answer.error_code()} instead of {status}")
    return place(answer.headers["location"])
