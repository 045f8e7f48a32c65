"""Before anything is timed: every server is asked the same, and must give the same answer, byte for byte, and the one that was pushed.
A server that answers faster because it answers something else is not faster."""

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass

from measure import Failed
from measure.material import ACCEPT, Blob, Image, Manifest
from measure.servers import Server
from measure.wire import Answer

# What clients act on. `Date`, `Server` and the like are free.
HEADERS = ("content-type", "content-length", "docker-content-digest", "content-range", "etag")
RANGES = ("bytes=0-99", "bytes=500-1499", "bytes=1000-", "bytes=-500")


@dataclass(frozen=True)
class Question:
    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    status: int = 200
    content: bytes | None = None
    """What the body must be, where that is known; for HEAD, what its length and digest must say."""
    digest: str | None = None

    def __str__(self) -> str:
        return " ".join([self.method, self.target, *(f"[{name}: {value}]" for name, value in self.headers if name != "Accept")])


def questions(images: list[Image], blobs: list[tuple[str, Blob]]) -> list[Question]:
    """All that is asked: manifests by tag and by digest, their blobs, ranges, and what is not there."""
    asked = []
    for image in images:
        for manifest in (image.manifest, *image.manifest.children):
            references = [manifest.digest, image.tag] if manifest is image.manifest else [manifest.digest]
            asked += [question for reference in references for question in _manifest(image.repository, reference, manifest)]
            asked += [question for blob in manifest.blobs for question in _blob(image.repository, blob)]
    for repository, blob in blobs:
        asked += _blob(repository, blob)
    return asked + _absent(images[0])


def _manifest(repository: str, reference: str, manifest: Manifest) -> list[Question]:
    target = f"/v2/{repository}/manifests/{reference}"
    accept = (("Accept", ACCEPT),)
    unchanged = (*accept, ("If-None-Match", f'"{manifest.digest}"'))
    return [
        Question("GET", target, accept, 200, manifest.content, manifest.digest),
        Question("HEAD", target, accept, 200, manifest.content, manifest.digest),
        Question("GET", target, unchanged, 304),
    ]


def _blob(repository: str, blob: Blob) -> list[Question]:
    target = f"/v2/{repository}/blobs/{blob.digest}"
    whole = [Question(method, target, (), 200, blob.content, blob.digest) for method in ("GET", "HEAD")]
    if len(blob.content) < 2_000:
        return whole
    return whole + [Question("GET", target, (("Range", text),), 206, _part(blob.content, text)) for text in RANGES]


def _part(content: bytes, text: str) -> bytes:
    first, _, last = text.removeprefix("bytes=").partition("-")
    if not first:
        return content[-int(last) :]
    return content[int(first) : int(last) + 1 if last else None]


def _absent(image: Image) -> list[Question]:
    nowhere = "sha256:" + hashlib.sha256(b"nowhere").hexdigest()
    accept = (("Accept", ACCEPT),)
    return [
        Question("GET", f"/v2/{image.repository}/manifests/absent", accept, 404),
        Question("GET", f"/v2/{image.repository}/manifests/{nowhere}", accept, 404),
        Question("GET", f"/v2/{image.repository}/blobs/{nowhere}", (), 404),
        Question("GET", f"/v2/{image.repository}/tags/list", (), 200),
    ]


def compare(servers: list[Server], asked: list[Question]) -> int:
    """Asks all servers and compares. Answers how many answers were compared; fails with the first difference."""
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connection()) for server in servers]
        for question in asked:
            answers = [connection.ask(question.method, question.target, dict(question.headers)) for connection in connections]
            for server, answer in zip(servers, answers, strict=True):
                _check(server, question, answer)
            first = _seen(question, answers[0])
            for server, answer in zip(servers[1:], answers[1:], strict=True):
                if (other := _seen(question, answer)) != first:
                    _differ(question, servers[0], first, server, other)
    return len(asked) * len(servers)


def _check(server: Server, question: Question, answer: Answer):
    """Against what was pushed."""
    if answer.status != question.status:
        raise Failed(f"{server.label}: {question} was answered with {answer.status} {answer.error_code()} instead of {question.status}")
    if question.content is None:
        return
    if question.method == "GET" and answer.body != question.content:
        raise Failed(f"{server.label}: {question} came back with other bytes than were pushed")
    if answer.headers.get("content-length") != str(len(question.content)):
        raise Failed(f"{server.label}: {question} has length {answer.headers.get('content-length')} instead of {len(question.content)}")
    if question.digest and answer.headers.get("docker-content-digest") != question.digest:
        raise Failed(f"{server.label}: {question} names {answer.headers.get('docker-content-digest')} instead of {question.digest}")


def _seen(question: Question, answer: Answer):
    """What of an answer must be the same everywhere."""
    if question.status == 304:
        return answer.status
    if question.status == 404:
        return answer.status, answer.error_code()
    if question.target.endswith("/tags/list"):
        return answer.status, answer.json()
    headers = {name: answer.headers.get(name) for name in HEADERS}
    return answer.status, headers, hashlib.sha256(answer.body).hexdigest()


def _differ(question: Question, first: Server, seen, second: Server, other):
    raise Failed(f"{question} is answered differently:\n  {first.label}: {seen}\n  {second.label}: {other}")
