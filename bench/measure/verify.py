"""`countersign verify` as a process beside `cosign verify`: the same server, the same image, the same signature, made by cosign. That
both accept this image, and neither an image that nobody signed nor one that another key signed, is checked first and last.

They do not the same work: cosign fetches the signature and verifies it; Countersign asks the server, which verified it when it came
and judges it by key and policy when it is asked. What is compared is what somebody waits for and what their machine has to hold; what
the server spends on it is told beside."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from measure import Failed, conditions, figures, process, pushing, say
from measure.material import KIB, Image, annotated, image_manifest
from measure.servers import Countersign, Server, need

REPOSITORY = "bench/verified"
SIGNER = "ci"
STAGE = "build"
ANNOTATION = f"dev.countersign.stage={STAGE}"
KEY_PASSWORD = "a-key-that-ends-with-this-run"
REFUSED = 3
"""The exit code of `countersign verify` where a stage is not signed."""
COSIGN_REFUSES = ("no signatures found", "no matching signatures")
POLICY = f"""\
version: 1
repositories: ["bench/**"]
stages:
  {STAGE}:
    signers: [{{robot: {SIGNER}}}]
"""


@dataclass(frozen=True)
class Verifier:
    """A program that says whether an image is signed: `name` is its key in the figures."""

    name: str
    label: str
    command: list[str]
    """Up to the image."""
    environment: dict[str, str]


def run(subject: Countersign, peers: list[Server], runs: int, quick: bool, command: str) -> dict:
    if peers:
        raise Failed("this compares with cosign and nothing else")
    cosign = need("cosign", "cosign")
    conditions.check_folder(subject.folder.parent, 200_000_000)
    subject.folder.mkdir(parents=True, exist_ok=True)
    told = conditions.describe(command, subject.folder, {"countersign": subject.version(), "cosign": _cosign_version(cosign)})
    subject.start()
    signed = Image(REPOSITORY, "signed", image_manifest("verified", [10 * KIB]))
    strange = Image(REPOSITORY, "strange", annotated(signed.manifest, "signed by a key that nobody registered"))
    unsigned = Image(REPOSITORY, "unsigned", annotated(signed.manifest, "unsigned"))
    _prepare(subject, cosign, [signed, strange, unsigned])
    verifiers = _verifiers(subject, cosign)
    _check(subject, verifiers, signed, [strange, unsigned])
    process.wait_until_quiet([subject.pid])
    taken = take_turns(verifiers, _place(subject, signed), runs)
    spent = {verifier.name: _spent_by_server(subject, verifier, _place(subject, signed), runs) for verifier in verifiers}
    _check(subject, verifiers, signed, [strange, unsigned])
    found = {name: summary(of) for name, of in taken.items()}
    return {
        "kind": "verify",
        "conditions": told,
        "scale": {"runs": runs, "quick": quick},
        "programs": {verifier.name: verifier.label for verifier in verifiers},
        "found": found,
        "server_cpu_ms_each": spent,
        "ratio": {what: figures.ratio(found["cosign"][what], found["countersign"][what]) for what in found["countersign"]},
        "runs": taken,
    }


def take_turns(verifiers: list[Verifier], image: str, runs: int) -> dict[str, list[dict]]:
    """Each program once a turn, in another order each time: what each run took."""
    taken: dict[str, list[dict]] = {verifier.name: [] for verifier in verifiers}
    for turn in range(runs):
        for verifier in verifiers if turn % 2 == 0 else reversed(verifiers):
            taken[verifier.name].append(once([*verifier.command, image], verifier.environment))
    return taken


def _spent_by_server(subject: Countersign, verifier: Verifier, image: str, runs: int) -> float:
    """The server's processor time for one verification, in milliseconds: of runs in a row, because its unit is a tick of 10 ms."""
    before = subject.cpu_seconds()
    for _ in range(runs):
        once([*verifier.command, image], verifier.environment)
    return (subject.cpu_seconds() - before) * 1e3 / runs


def once(command: list[str], environment: dict[str, str]) -> dict:
    """One run: `wall_ms`, `cpu_ms`, and `peak` in bytes. Fails unless the command ends with 0, or if it is too small to be measured."""
    starter = [sys.executable, "-I", "-S", str(Path(__file__).with_name("once.py")), *command]
    done = subprocess.run(starter, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"`{command[0]}` could not be run: {done.stderr.strip()}")
    took = json.loads(done.stdout)
    if took["code"]:
        raise Failed(f"`{' '.join(command)}` ended with {took['code']} while it was measured")
    if took["peak"] <= took["floor"]:
        raise Failed(f"`{command[0]}` needs less memory than what measures it ({took['floor']} bytes)")
    return {what: took[what] for what in ("wall_ms", "cpu_ms", "peak")}


def summary(taken: list[dict]) -> dict[str, float | None]:
    """Of the runs of one program; of the peaks the highest."""
    walls = [of["wall_ms"] for of in taken]
    return {
        "p50_ms": figures.percentile(walls, 50),
        "p99_ms": figures.percentile(walls, 99),
        "cpu_ms": figures.percentile([of["cpu_ms"] for of in taken], 50),
        "peak": max(of["peak"] for of in taken),
    }


def _prepare(subject: Countersign, cosign: str, images: list[Image]):
    """Images, an account, its key, a policy; and two signatures by cosign, one with a key that the server does not know."""
    with subject.pusher() as connection:
        for image in images:
            pushing.push_image(connection, image)
    subject.log_in()
    subject.run("robot", "create", SIGNER)
    policy = subject.folder / "bench.yaml"
    policy.write_text(POLICY)
    subject.run("policy", "apply", str(policy))
    # Their files are sealed as cosign seals them, and it reads them.
    for key in ("bench", "stranger"):
        subject.run("key", "generate", key, COUNTERSIGN_KEY_PASSWORD=KEY_PASSWORD)
    registration = ["key", "register", "--key", "bench.key", "--for", SIGNER, "--name", "bench", "--scope", "bench/**", "--user", "admin"]
    subject.run(*registration, "--password-stdin", stdin=subject.password, COUNTERSIGN_KEY_PASSWORD=KEY_PASSWORD)
    signed, strange, _ = images
    for image, key in ((signed, "bench.key"), (strange, "stranger.key")):
        place = f"{subject.address[0]}:{subject.address[1]}/{REPOSITORY}@{image.manifest.digest}"
        account = ["--registry-username", "admin", "--registry-password", subject.password]
        done = _ask([cosign, "sign", "--key", key, "--tlog-upload=false", "--yes", *account, "-a", ANNOTATION, place], _cosign_environment(subject))
        if done.returncode:
            raise Failed(f"cosign sign ended with {done.returncode}: {done.stderr.strip()}")


def _verifiers(subject: Countersign, cosign: str) -> list[Verifier]:
    places = {"COUNTERSIGN_CONFIG_DIR": str(subject.folder / "cli"), "DOCKER_CONFIG": str(subject.folder / "cli")}
    key = str(subject.folder / "bench.pub")
    return [
        Verifier("countersign", "countersign verify", [str(subject.program), "verify"], Server.environment(subject) | places),
        Verifier("cosign", "cosign verify", [cosign, "verify", "--key", key, "--insecure-ignore-tlog", "-a", ANNOTATION], _cosign_environment(subject)),
    ]


def _cosign_environment(subject: Countersign) -> dict[str, str]:
    # It pulls without a log-in, as everyone may.
    empty = subject.folder / "docker"
    empty.mkdir(exist_ok=True)
    return Server.environment(subject) | {"COSIGN_PASSWORD": KEY_PASSWORD, "DOCKER_CONFIG": str(empty)}


def _check(subject: Countersign, verifiers: list[Verifier], signed: Image, others: list[Image]):
    """Both accept the signed image, by its digest, and refuse the others; and refusing is not failing."""
    countersign, cosign = verifiers
    done = _ask([*countersign.command, "-o", "json", _place(subject, signed)], countersign.environment)
    if done.returncode or json.loads(done.stdout)["digest"] != signed.manifest.digest:
        raise Failed(f"countersign does not accept the signed image: {done.returncode} {done.stdout} {done.stderr}")
    done = _ask([*cosign.command, _place(subject, signed)], cosign.environment)
    if done.returncode or json.loads(done.stdout)[0]["critical"]["image"]["docker-manifest-digest"] != signed.manifest.digest:
        raise Failed(f"cosign does not accept the signed image: {done.returncode} {done.stderr}")
    for image in others:
        done = _ask([*countersign.command, _place(subject, image)], countersign.environment)
        if done.returncode != REFUSED:
            raise Failed(f"countersign does not refuse the {image.tag} image, but ends with {done.returncode}: {done.stdout} {done.stderr}")
        done = _ask([*cosign.command, _place(subject, image)], cosign.environment)
        if not done.returncode or not any(words in done.stderr for words in COSIGN_REFUSES):
            raise Failed(f"cosign does not refuse the {image.tag} image, but ends with {done.returncode}: {done.stderr}")
    say(f"both accept the signed image and refuse the {' and the '.join(image.tag for image in others)} one")


def _place(subject: Countersign, image: Image) -> str:
    return f"{subject.address[0]}:{subject.address[1]}/{REPOSITORY}:{image.tag}"


def _ask(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess:
    folder = environment["HOME"]
    return subprocess.run(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def _cosign_version(cosign: str) -> str:
    """What it says of itself. A distribution's says no more than `devel`, and then what it was built with helps to tell it."""
    done = subprocess.run([cosign, "version", "--json"], capture_output=True, text=True)
    try:
        told = json.loads(done.stdout)
        return f"{told['gitVersion']} (built with {told['goVersion']})"
    except (ValueError, KeyError) as error:
        raise Failed(f"`{cosign} version` says nothing useful: {done.stdout} {done.stderr}") from error
