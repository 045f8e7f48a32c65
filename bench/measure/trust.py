"""What a pull with content trust asks for, beside Debian's notary-server: the timestamp, which every pull asks for, and files by their
hash. The same repository is published to both by notary's own client, and read back by it before anything is measured."""

import base64
import json
import subprocess

from measure import Failed, comparison, conditions, figures, process, reads, say
from measure.servers import Countersign, NotaryServer, Server, need
from measure.steps import Scale, Step

# A name that either server takes as one of its own.
GUN = "localhost:5000/bench/trust"
PLACE = f"/v2/{GUN}/_trust/tuf"
TAGS = 20
CONNECTIONS = 16
PASSPHRASES = {f"NOTARY_{role}_PASSPHRASE": "a-key-that-ends-with-this-run" for role in ("ROOT", "TARGETS", "SNAPSHOT", "DELEGATION")}


def run(subject: Countersign, peers: list[Server], scale: Scale, command: str) -> dict:
    if [peer.name for peer in peers] != [NotaryServer.name]:
        raise Failed(f"this compares with {NotaryServer.name} and nothing else")
    conditions.check_folder(subject.folder.parent, 200_000_000)
    servers: list[Server] = [subject, *peers]
    for server in servers:
        server.folder.mkdir(parents=True, exist_ok=True)
    told = conditions.describe(command, subject.folder, {server.name: server.version() for server in servers})
    for server in servers:
        server.start()
        _publish(server)
        server.idle = server.memory()
    process.wait_until_quiet([server.pid for server in servers])
    results = [comparison.measure(step, servers, scale) for step in _steps(servers, scale)]
    return {
        "kind": "trust",
        "conditions": told,
        "scale": {"seconds": scale.seconds, "repeats": scale.repeats, "quick": scale.quick},
        "servers": {server.name: server.label for server in servers},
        "tags": TAGS,
        "steps": results,
        "peak": {server.name: server.memory().peak for server in servers},
    }


def _publish(server: Server):
    """Makes the repository, with the server's snapshot as docker has it, and reads it back as somebody who knows nothing yet."""
    content = server.folder / "content"
    content.write_text(server.name)
    _notary(server, "owner", "init", "-p", GUN)
    _notary(server, "owner", "key", "rotate", GUN, "snapshot", "-r")
    for tag in range(TAGS):
        _notary(server, "owner", "add", GUN, f"tag-{tag}", str(content))
    _notary(server, "owner", "publish", GUN)
    listed = _notary(server, "reader", "list", GUN)
    missing = [tag for tag in range(TAGS) if f"tag-{tag} " not in listed]
    if missing:
        raise Failed(f"{server.label} does not list the tags {missing}")
    say(f"{server.label}: {TAGS} tags published, and believed by notary's client")


def _notary(server: Server, who: str, *words: str) -> str:
    environment = Server.environment(server) | PASSPHRASES
    if authorization := server.push_authorization():
        environment["NOTARY_AUTH"] = authorization.removeprefix("Basic ")
    command = [need("notary", "notary"), "-s", server.url, "-d", str(server.folder / who), *words]
    done = subprocess.run(command, env=environment, cwd=server.folder, capture_output=True, text=True, input="yes\n")
    if done.returncode:
        raise Failed(f"notary {words[0]} at {server.label}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _steps(servers: list[Server], scale: Scale) -> list[Step]:
    """Each server has its own files, because each publisher has keys of their own: their paths are told by the server's name."""
    hashed = {server.name: _hashed(server) for server in servers}

    def step(name: str, title: str, path) -> Step:
        def load(server: Server, _: str) -> figures.Run:
            target = f"{PLACE}/{path(server)}"
            return reads.during(server, lambda: reads.get(server.address, target, {}, CONNECTIONS, scale.seconds))

        return Step(name, f"{title}, {CONNECTIONS} connections", "req/s", 1.0, load)

    return [
        step("timestamp", "timestamp.json", lambda _: "timestamp.json"),
        step("root", "root.json", lambda _: "root.json"),
        step("snapshot", "snapshot by its hash", lambda server: hashed[server.name]["snapshot"]),
        step("targets", "targets by its hash", lambda server: hashed[server.name]["targets"]),
    ]


def _hashed(server: Server) -> dict[str, str]:
    """The paths of the current snapshot and targets, from the timestamp down."""
    timestamp = _file(server, "timestamp.json")
    snapshot = _named("snapshot", timestamp)
    return {"snapshot": snapshot, "targets": _named("targets", _file(server, snapshot))}


def _file(server: Server, path: str) -> dict:
    with server.connection() as connection:
        answer = connection.ask("GET", f"{PLACE}/{path}")
    if answer.status != 200:
        raise Failed(f"{server.label} answers {path} with {answer.status}")
    return json.loads(answer.body)


def _named(role: str, by: dict) -> str:
    sha256 = base64.b64decode(by["signed"]["meta"][role]["hashes"]["sha256"]).hex()
    return f"{role}.{sha256}.json"
