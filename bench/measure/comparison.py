"""Side by side: the same material in every server, the same answers from every server, then one step after the other, and in each step
one server after the other, in turns, so that what else the machine does meets all of them."""

import time
from pathlib import Path

from measure import Failed, ceiling, conditions, figures, process, profile, pushing, sameness, say
from measure.servers import Countersign, Server
from measure.steps import Material, Scale, Step, all_steps, selected

CONNECTIONS = 16
# What the servers hold beside the uploads that are measured: images, blobs, database.
BYTES_BESIDE = 1_000_000_000


def run(subject: Countersign, peers: list[Server], scale: Scale, only: str | None, with_profile: bool, command: str) -> dict:
    """The whole comparison, as the value that becomes JSON. The servers are started here and stopped by the caller."""
    material = Material(scale)
    steps = selected(all_steps(material, scale), only)
    servers = [subject, *peers]
    written = sum(step.bytes_kept for step in steps) + max(step.bytes_for_a_while for step in steps)
    conditions.check_folder(subject.folder.parent, written * len(servers) + BYTES_BESIDE)
    told = conditions.describe(command, subject.folder, {server.name: server.version() for server in servers})
    generators = ceiling.measure(CONNECTIONS, min(2, scale.seconds))
    say(f"the load generators' own ceiling: {generators['get']:,.0f} GET/s with wrk, {generators['head']:,.0f} HEAD/s with our clients")
    for server in servers:
        server.start()
        say(f"{server.label}: {server.version()} at {server.url}, up in {server.started_in_seconds * 1e3:.0f} ms")
    for server in servers:
        _push(server, material)
    compared = sameness.compare(servers, sameness.questions(material.images, [(material.repository, blob) for blob in material.blobs.values()]))
    say(f"{compared} answers compared: as they were pushed" + (", and the same from all servers" if peers else ""))
    if not process.wait_until_quiet([server.pid for server in servers]):
        say("note: the servers did not come to rest before the first step")
    for server in servers:
        server.idle = server.memory()
    results = [measure(step, servers, scale) for step in steps]
    answer = {
        "kind": "comparison",
        "conditions": told,
        "scale": {"seconds": scale.seconds, "repeats": scale.repeats, "quick": scale.quick},
        "servers": {server.name: server.label for server in servers},
        "answers_compared": compared,
        "ceiling": generators,
        "steps": results,
        "memory": _memory(servers),
        "started_in_seconds": {server.name: server.started_in_seconds for server in servers},
    }
    if with_profile:
        answer["profiles"] = [_profile(step, subject) for step in steps]
    return answer


def _push(server: Server, material: Material):
    with server.pusher() as connection:
        for image in material.images:
            pushing.push_image(connection, image)
        for blob in material.blobs.values():
            pushing.push_blob(connection, material.repository, blob.content, blob.digest)


def measure(step: Step, servers: list[Server], scale: Scale) -> dict:
    """One step at each server, in turns."""
    runs: dict[str, list[figures.Run]] = {server.name: [] for server in servers}
    for turn in range(scale.repeats):
        # Another one begins each time.
        for server in servers[turn % len(servers) :] + servers[: turn % len(servers)]:
            name = f"{step.name}/{turn}"
            try:
                runs[server.name].append(step.load(server, name))
            except Failed as error:
                raise Failed(f"{step.title}, {server.label}: {error}") from error
            # What a push leaves to do is not the next one's load.
            if not scale.quick:
                process.wait_until_quiet([server.pid], 20.0)
    medians = {name: figures.median(of) for name, of in runs.items()}
    rate = "mb_per_second" if step.unit == "MB/s" else "rate"
    subject, *peers = (server.name for server in servers)
    ratios = {peer: figures.ratio(medians[subject][rate], medians[peer][rate]) for peer in peers}
    say(f"{step.title}: " + ", ".join(f"{server.label} {medians[server.name][rate]:,.1f} {step.unit}" for server in servers) + "".join(
        f"; {found:.2f} times {peer}" for peer, found in ratios.items()))
    return {
        "name": step.name,
        "title": step.title,
        "unit": step.unit,
        "rate": rate,
        "target": None if scale.quick else step.target,
        "median": medians,
        "runs": {name: [run.figures() for run in of] for name, of in runs.items()},
        "ratio": ratios,
    }


def _memory(servers: list[Server]) -> dict:
    process.wait_until_quiet([server.pid for server in servers])
    return {
        server.name: {"idle": server.idle.resident, "after": server.memory().resident, "peak": server.memory().peak} for server in servers
    }


def _profile(step: Step, subject: Countersign) -> dict:
    say(f"recording a profile of {step.title}")
    with profile.Recording(subject.pid, Path(subject.folder) / "perf.data") as recording:
        step.load(subject, f"{step.name}/profile/{time.time_ns()}")
    return {"name": step.name, "title": step.title, "symbols": recording.top()}
