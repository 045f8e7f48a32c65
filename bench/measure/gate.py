"""What the gate costs a pull that it lets pass: the same image, asked for by a robot that no gate holds and by one that a gate holds,
with the decision kept from the pull before. That the gate is really there is checked first and last: without a signature the held one
is refused."""

import urllib.parse

from measure import Failed, conditions, figures, process, pushing, reads, say
from measure.material import ACCEPT, KIB, Image, annotated, image_manifest
from measure.servers import Countersign
from measure.steps import Scale
from measure.wire import basic

REPOSITORY = "bench/gated"
FREE, HELD, SIGNER = "reader", "host", "ci"
KEY_PASSWORD = "a-key-that-ends-with-this-run"
POLICY = f"""\
version: 1
repositories: ["bench/**"]
stages:
  build:
    signers: [{{robot: {SIGNER}}}]
gates:
  production:
    holds-for: [{{robot: {HELD}}}]
    require: [build]
"""


def run(subject: Countersign, scale: Scale, command: str) -> dict:
    conditions.check_folder(subject.folder.parent, 200_000_000)
    subject.folder.mkdir(parents=True, exist_ok=True)
    told = conditions.describe(command, subject.folder, {"countersign": subject.version()})
    subject.start()
    signed = Image(REPOSITORY, "signed", image_manifest("gated", [10 * KIB]))
    unsigned = Image(REPOSITORY, "unsigned", annotated(signed.manifest, "unsigned"))
    tokens = _prepare(subject, signed, unsigned)
    _check(subject, tokens, signed, unsigned)
    process.wait_until_quiet([subject.pid])
    pairs = [_pair(subject, tokens, title, target, connections, scale) for title, target, connections in _questions(signed)]
    _check(subject, tokens, signed, unsigned)
    return {
        "kind": "gate",
        "conditions": told,
        "servers": {subject.name: subject.label},
        "scale": {"seconds": scale.seconds, "repeats": scale.repeats, "quick": scale.quick},
        "pairs": pairs,
        "peak": subject.memory().peak,
    }


def _prepare(subject: Countersign, signed: Image, unsigned: Image) -> dict[str, str]:
    """Accounts, images, a policy, a signature: as in the README's tour. Answers the robots' tokens by name."""
    with subject.pusher() as connection:
        for image in (signed, unsigned):
            pushing.push_image(connection, image)
    subject.log_in()
    for robot in (FREE, HELD, SIGNER):
        subject.run("robot", "create", robot)
    for robot in (FREE, HELD):
        subject.run("grant", "add", "--role", "reader", "--to", robot, "bench/**")
    tokens = {robot: subject.run("token", "create", "bench", "--for", robot, "--quiet") for robot in (FREE, HELD)}
    policy = subject.folder / "bench.yaml"
    policy.write_text(POLICY)
    subject.run("policy", "apply", str(policy))
    _expect(subject, tokens, signed, {FREE: 200, HELD: 403})
    subject.run("key", "generate", "bench", COUNTERSIGN_KEY_PASSWORD=KEY_PASSWORD)
    registration = ["key", "register", "--key", "bench.key", "--for", SIGNER, "--name", "bench", "--scope", "bench/**", "--user", "admin"]
    subject.run(*registration, "--password-stdin", stdin=subject.password, COUNTERSIGN_KEY_PASSWORD=KEY_PASSWORD)
    place = f"{subject.address[0]}:{subject.address[1]}/{REPOSITORY}:{signed.tag}"
    say(subject.run("sign", "--stage", "build", "--key", "bench.key", place, COUNTERSIGN_KEY_PASSWORD=KEY_PASSWORD).splitlines()[0])
    return tokens


def _check(subject: Countersign, tokens: dict[str, str], signed: Image, unsigned: Image):
    """The signed image passes for both, byte for byte; the other is refused to the held one."""
    _expect(subject, tokens, signed, {FREE: 200, HELD: 200})
    _expect(subject, tokens, unsigned, {FREE: 200, HELD: 403})


def _expect(subject: Countersign, tokens: dict[str, str], image: Image, statuses: dict[str, int]):
    for robot, status in statuses.items():
        with subject.connection(_session(subject, robot, tokens[robot])) as connection:
            for reference in (image.tag, image.manifest.digest):
                answer = connection.ask("GET", f"/v2/{image.repository}/manifests/{reference}", {"Accept": ACCEPT})
                if answer.status != status or (status == 200 and answer.body != image.manifest.content):
                    raise Failed(f"{robot} got {answer.status} {answer.error_code() if answer.status != 200 else 'with other bytes'} for {image.tag} instead of {status}")
            if status == 403 and answer.error_code() != "DENIED":
                raise Failed(f"the refusal is {answer.error_code()} instead of DENIED")


def _session(subject: Countersign, robot: str, token: str) -> str:
    """A session token, as docker gets one before it pulls; it lasts five minutes."""
    query = urllib.parse.urlencode({"service": "countersign", "scope": f"repository:{REPOSITORY}:pull"})
    with subject.connection(basic(robot, token)) as connection:
        answer = connection.ask("GET", f"/token?{query}")
    if answer.status != 200:
        raise Failed(f"{robot} gets no session: {answer.status} {answer.error_code()}")
    return f"Bearer {answer.json()['token']}"


def _questions(image: Image) -> list[tuple[str, str, int]]:
    place = f"/v2/{image.repository}"
    layer = image.manifest.blobs[1]
    found = []
    for title, target in (
        ("manifest GET by tag", f"{place}/manifests/{image.tag}"),
        ("manifest GET by digest", f"{place}/manifests/{image.manifest.digest}"),
        ("blob GET 10 KiB", f"{place}/blobs/{layer.digest}"),
    ):
        found += [(f"{title}, {count} connection{'s' if count > 1 else ''}", target, count) for count in (1, 16)]
    return found


def _pair(subject: Countersign, tokens: dict[str, str], title: str, target: str, connections: int, scale: Scale) -> dict:
    runs: dict[str, list[figures.Run]] = {FREE: [], HELD: []}
    for turn in range(scale.repeats):
        for robot in (FREE, HELD) if turn % 2 == 0 else (HELD, FREE):
            headers = {"Accept": ACCEPT, "Authorization": _session(subject, robot, tokens[robot])}
            runs[robot].append(reads.during(subject, lambda: reads.get(subject.address, target, headers, connections, scale.seconds)))
    medians = {"free": figures.median(runs[FREE]), "held": figures.median(runs[HELD])}
    say(f"{title}: p99 {medians['free']['p99_ms']:.2f} ms free, {medians['held']['p99_ms']:.2f} ms held")
    return {"title": title, "median": medians, "runs": {"free": [run.figures() for run in runs[FREE]], "held": [run.figures() for run in runs[HELD]]}}
