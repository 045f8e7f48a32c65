"""Figures as Markdown tables, for the terminal and for docs/performance.md: nothing is typed by hand. One function for each kind of
result; what is not met says so."""

import json
from pathlib import Path

from measure import Failed

MIB = 1024 * 1024
MB = 1_000_000
SMOKE = "A smoke run: these figures mean nothing."


def render(result: dict) -> str:
    """The tables of one result."""
    parts = {
        "comparison": comparison,
        "tags": tags,
        "gate": gate,
        "trust": trust,
        "verify": verify,
        "durability": durability,
        "load": load,
    }
    return "\n\n".join([conditions(result["conditions"]), parts[result["kind"]](result)])


def read(path: Path) -> dict:
    try:
        result = json.loads(path.read_text())
        if result["kind"] and result["conditions"]:
            return result
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failed(f"`{path}` is not a result of this program: {error}") from error
    raise Failed(f"`{path}` is not a result of this program")


def write_into(page: Path, results: list[dict]):
    """Puts each result between the marks of its kind in a page: `<!-- figures: KIND -->` and `<!-- end -->`."""
    text = page.read_text()
    for result in results:
        begin, end = f"<!-- figures: {result['kind']} -->\n", "<!-- end -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise Failed(f"`{page}` has no place for {result['kind']}: it needs the lines {begin.strip()} and {end}")
        text = before + begin + "\n" + render(result) + "\n\n" + end + after
    page.write_text(text)


def conditions(told: dict) -> str:
    versions = "; ".join(f"{name} {version}" for name, version in told["versions"].items())
    return (
        f"{told['date']}, commit {told['commit']}: `{told['command']}`\n"
        f"on {told['cores']} cores of {told['processor']}, {told['memory_gib']} GiB, {told['system']}, kernel {told['kernel']}, "
        f"{told['file_system']}; load average before: {told['load_average_before']}.\n{versions}."
    )


def comparison(result: dict) -> str:
    scale = result["scale"]
    subject, *peers = result["servers"].items()
    head = ["", "unit", *[label for _, label in (subject, *peers)], *[f"ratio to {label}" for _, label in peers], "target"]
    rows = [_step(step, subject[0], [name for name, _ in peers]) for step in result["steps"]]
    parts = [
        f"{median_of(scale)} {result['answers_compared']} answers were compared first. The load "
        f"generators' own ceiling: {number(result['ceiling']['get'])} GET/s, {number(result['ceiling']['head'])} HEAD/s.",
        table(head, rows),
        "Latency, and the server's processor time for one request or blob. " + generators(result),
        latencies(result),
        "Memory, MB (10⁶ bytes).",
        memory(result),
    ]
    for profile in result.get("profiles", []):
        rows = [[f"{symbol['percent']:.1f} %", f"`{symbol['symbol']}`", symbol["object"]] for symbol in profile["symbols"]]
        parts += [f"Profile of {subject[1]}: {profile['title']}.", table(["share", "symbol", "object"], rows)]
    return "\n\n".join(parts)


def _step(step: dict, subject: str, peers: list[str]) -> list[str]:
    rate = step["rate"]
    figures = [number(step["median"][name][rate]) for name in (subject, *peers)]
    ratios = [times(step["ratio"][peer]) for peer in peers]
    return [step["title"], step["unit"], *figures, *ratios, verdict(step["ratio"].get("docker-registry"), step["target"])]


def verdict(found: float | None, target: float | None) -> str:
    """A target, and whether it is met."""
    if target is None:
        return "–"
    if found is None:
        return f"≥ {target:g}×"
    return f"≥ {target:g}×: {'met' if found >= target else '**not met**'}"


def latencies(result: dict) -> str:
    names = result["servers"]
    head = [""]
    for label in names.values():
        head += [f"{label}: p50 ms", "p99 ms", "CPU ms"]
    rows = []
    for step in result["steps"]:
        row = [step["title"]]
        for name in names:
            median = step["median"][name]
            row += [number(median["p50_ms"]), number(median["p99_ms"]), number(median["server_cpu_ms_each"])]
        rows.append(row)
    return table(head, rows)


def generators(result: dict) -> str:
    """How much of the machine the load generators took at most: time that the server did not have."""
    used = [
        (median["client_cpu_seconds"] / median["seconds"], step["title"])
        for step in result["steps"]
        for median in step["median"].values()
    ]
    most, where = max(used)
    return f"The load generators took at most {most:.2f} cores ({where})."


def median_of(scale: dict) -> str:
    if scale["quick"]:
        return SMOKE
    return f"Medians of {scale['repeats']} runs of {scale['seconds']} s each." if scale["repeats"] > 1 else f"One run of {scale['seconds']} s each."


def memory(result: dict) -> str:
    found = result["memory"]
    rows = [
        [label, *[number(found[name][what] / MB) for what in ("idle", "peak", "after")], number(result["started_in_seconds"][name] * 1e3)]
        for name, label in result["servers"].items()
    ]
    text = table(["", "idle, with what was pushed", "peak of the whole run", "idle afterwards", "start-up with an empty store, ms"], rows)
    if "docker-registry" in found and not result["scale"]["quick"]:
        share = found["countersign"]["peak"] / found["docker-registry"]["peak"]
        text += f"\n\nPeak against docker-registry: {share:.2f} (target: at most 0.33: {'met' if share <= 1 / 3 else '**not met**'})."
    return text


def tags(result: dict) -> str:
    names = result["servers"]
    head = ["", *[f"{label}: {what}" for label in names.values() for what in ("p50 ms", "p99 ms")], "target"]
    rows = []
    for act in result["acts"]:
        row = [act["title"]]
        for name in names:
            row += _quantiles(act["ms"].get(name), result["samples"])
        worst = act["ms"]["countersign"]["p99"]
        limit = act["limit_ms"]
        rows.append([*row, "–" if limit is None else f"< {limit:g} ms: {'met' if worst < limit else '**not met**'}"])
    starts = [
        [label, *[number(start[what] * 1e3) for what in ("after_stop", "after_kill")], number(start["idle"] / MB)]
        for name, label in names.items()
        if (start := result["start"].get(name))
    ]
    subject = result["start"]["countersign"]
    slowest = max(subject["after_stop"], subject["after_kill"])
    targets = (
        f"Targets: start-up under 1 s: {'met' if slowest < 1 else '**not met**'}; idle under 60 MB: "
        f"{'met' if subject['idle'] < 60 * MB else '**not met**'}."
    )
    return "\n\n".join(
        [
            f"{number(result['tags'])} tags on {number(result['manifests'])} manifests in one repository; {result['samples']} requests of each kind on one connection.",
            table(head, rows),
            "Start-up with them, from the start of the process to the first answer, and memory once it is idle.",
            table(["", "after a stop, ms", "after kill -9, ms", "idle, MB"], starts),
            SMOKE if result["quick"] else targets,
            *[f"Note: {names[name]} had not come to rest before it was asked." for name, at_rest in result["at_rest"].items() if not at_rest],
        ]
    )


def _quantiles(found: dict | None, samples: int) -> list[str]:
    if found is None:
        return ["–", "–"]
    fewer = f" ({found['samples']} requests)" if found["samples"] < samples else ""
    return [number(found["p50"]) + fewer, number(found["p99"])]


def gate(result: dict) -> str:
    rows = []
    for pair in result["pairs"]:
        free, held = pair["median"]["free"], pair["median"]["held"]
        more = held["p99_ms"] - free["p99_ms"]
        rows.append(
            [
                pair["title"],
                number(free["rate"]),
                number(held["rate"]),
                *[number(of[what]) for what in ("p50_ms", "p99_ms") for of in (free, held)],
                f"{more:+.2f}",
                "–" if result["scale"]["quick"] else f"≤ 1: {'met' if more <= 1 else '**not met**'}",
                number((held["server_cpu_ms_each"] - free["server_cpu_ms_each"]) * 1e3),
            ]
        )
    head = ["", "free req/s", "held req/s", "free p50 ms", "held p50 ms", "free p99 ms", "held p99 ms", "p99 more, ms", "target", "CPU more, µs"]
    about = "The same request by a robot that no gate holds (free) and by one that a gate holds and lets pass, with its decision kept."
    return f"{about} {median_of(result['scale'])}\n\n" + table(head, rows)


def trust(result: dict) -> str:
    subject, peer = result["servers"].items()
    rows = []
    for step in result["steps"]:
        found = step["ratio"][peer[0]]
        medians = [step["median"][name] for name, _ in (subject, peer)]
        shown = [number(median[what]) for what in ("rate", "p99_ms", "server_cpu_ms_each") for median in medians]
        rows.append([step["title"], *shown, times(found), verdict(found, step["target"])])
    head = [""] + [f"{label}{what}" for what in (": req/s", ": p99 ms", ": CPU ms") for _, label in (subject, peer)] + ["ratio", "target"]
    peaks = ", ".join(f"{label} {number(result['peak'][name] / MB)} MB" for name, label in (subject, peer))
    about = f"A repository of {result['tags']} tags, published to both by notary's client and believed by it. {median_of(result['scale'])}"
    return f"{about}\n\n" + table(head, rows) + f"\n\nMemory at its peak: {peaks}."


def verify(result: dict) -> str:
    rows = [
        [label, *[number(of[what]) for what in ("p50_ms", "p99_ms", "cpu_ms")], number(of["peak"] / MIB), number(result["server_cpu_ms_each"][name])]
        for name, label in result["programs"].items()
        if (of := result["found"][name])
    ]
    ratio, quick = result["ratio"], result["scale"]["quick"]
    rows.append(["cosign / Countersign", *[times(ratio[what]) for what in ("p50_ms", "p99_ms", "cpu_ms", "peak")], "–"])
    if not quick:
        # As fast as cosign is not enough.
        met = ["> 1×: met" if ratio[what] > 1 else "> 1×: **not met**" for what in ("p50_ms", "p99_ms", "peak")]
        rows.append(["target", met[0], met[1], "–", met[2], "–"])
    about = SMOKE if quick else f"{result['scale']['runs']} runs of each program, taking turns."
    accepted = "Both accept the same signature by cosign, and refuse an image without one and one that another key signed."
    return f"{about} {accepted}\n\n" + table(["", "p50 ms", "p99 ms", "CPU ms", "peak, MiB", "the server's CPU ms"], rows)


def durability(result: dict) -> str:
    rows = [[label, str(of["syncs"]), str(of["renames"]), "; ".join(of["findings"])] for name, label in result["servers"].items() if (of := result["traces"][name])]
    parts = ["One upload of 10 KiB with POST and PUT, from the first system call to the answer 201.", table(["", "syncs", "renames", "before the answer"], rows)]
    for name, label in result["servers"].items():
        parts += [f"{label}:", "```\n" + "\n".join(result["traces"][name]["calls"]) + "\n```"]
    return "\n\n".join(parts)


def load(result: dict) -> str:
    rows = []
    for name, label in result["servers"].items():
        of = result["crowds"][name]
        statuses = ", ".join(f"{status}: {number(count)}" for status, count in sorted(of["statuses"].items()))
        rows.append(
            [
                label,
                statuses,
                str(of["failed"]),
                *[number(of[what][p]) for what in ("pull_ms", "push_ms") for p in ("p50", "p99")],
                number(of["peak"] / MB),
                number(of["seconds"]),
            ]
        )
    head = ["", "answers", "broken", "pull p50 ms", "pull p99 ms", "push p50 ms", "push p99 ms", "peak MB", "seconds"]
    subject = result["crowds"]["countersign"]
    errors = sum(count for status, count in subject["statuses"].items() if int(status) >= 500)
    targets = (
        f"Targets: no 5xx: {'met' if errors == 0 else '**not met**'}; memory under 300 MB: "
        f"{'met' if subject['peak'] < 300 * MB else '**not met**'}."
    )
    return "\n\n".join(
        [
            f"{number(result['pulls'])} pulls and {number(result['pushes'])} pushes at the same time, each of a whole image of "
            f"{result['layers']} layers of {number(result['layer_bytes'] / MIB)} MiB.",
            table(head, rows),
            SMOKE if result["quick"] else targets,
        ]
    )


def failures(result: dict) -> list[str]:
    """What makes a run a failed one although it came to its end: only what Countersign did wrong, never a figure."""
    if result["kind"] == "load":
        subject = result["crowds"]["countersign"]
        errors = {status: count for status, count in subject["statuses"].items() if int(status) >= 500}
        found = [f"{count} answers {status}" for status, count in errors.items()]
        return found + ([f"{subject['failed']} clients did not get what they came for: {subject['reasons']}"] if subject["failed"] else [])
    if result["kind"] == "durability":
        return [finding for finding in result["traces"]["countersign"]["findings"] if "**" in finding or "not recognised" in finding]
    return []


def number(value: float | None) -> str:
    """Three significant digits below a thousand, whole numbers with separators above."""
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}×"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table whose columns also line up as text."""
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    lines = [head, ["-" * max(3, width) for width in widths], *rows]
    return "\n".join("| " + " | ".join(cell.ljust(max(3, width)) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines)
