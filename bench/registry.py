#!/usr/bin/env python3
"""bench/registry.py: Countersign's registry beside Debian's docker-registry, on this machine, in one run. README.md says what the
figures mean."""

import argparse
import sys
from pathlib import Path

from measure import Failed, comparison, durability, gate, program, report, tags, trust, verify
from measure.servers import NotaryServer
from measure.steps import QUICK, Scale

COMMANDS = ("compare", "tags", "gate", "trust", "verify", "durability", "report")
PEERS = "docker-registry,docker-registry-gogc400"


def main() -> int:
    arguments = sys.argv[1:]
    # Comparing is what it is for: the command need not be named.
    if not arguments or (arguments[0] not in COMMANDS and arguments[0] not in ("-h", "--help")):
        arguments = ["compare", *arguments]
    given = parser().parse_args(arguments)
    if given.command == "report":
        return show(given)
    peers = {"compare": PEERS, "trust": NotaryServer.name, "verify": "none"}.get(given.command, program.DOCKER_REGISTRY)
    return program.run(given, sys.argv, MEASURE[given.command], peers)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description=__doc__)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    timed = argparse.ArgumentParser(add_help=False)
    timed.add_argument("--seconds", type=int, default=5, help="of each run (default: %(default)s)")
    timed.add_argument("--repeats", type=int, default=3, help="runs of each step, of which the median counts (default: %(default)s)")
    compare = commands.add_parser("compare", parents=[program.options(), timed], help="the steps side by side; this is what happens without a command")
    compare.add_argument("--only", metavar="PATTERNS", help="steps to run, such as `manifest-*,upload-10k-8`; a wrong one lists them")
    compare.add_argument("--perf", action="store_true", help="record a profile of Countersign in each step, in a run of its own")
    many = commands.add_parser("tags", parents=[program.options()], help="start-up, lists and deletions with many tags in one repository")
    many.add_argument("--tags", type=int, default=100_000, help="how many (default: %(default)s)")
    commands.add_parser("gate", parents=[program.options(), timed], help="a pull through a gate beside one that no gate holds")
    commands.add_parser("trust", parents=[program.options(), timed], help="trust metadata beside Debian's notary-server")
    verifying = commands.add_parser("verify", parents=[program.options()], help="`countersign verify` beside `cosign verify`, as processes")
    verifying.add_argument("--runs", type=int, default=50, help="of each (default: %(default)s)")
    commands.add_parser("durability", parents=[program.options()], help="the system calls of one upload, as strace sees them")
    shown = commands.add_parser("report", help="the Markdown tables of results")
    shown.add_argument("files", metavar="FILE", nargs="+", type=Path, help="what --json wrote")
    shown.add_argument("--into", metavar="PAGE", type=Path, help="put them into this page, between its marks, instead of printing them")
    return top


def scale(given: argparse.Namespace) -> Scale:
    return QUICK if given.quick else Scale(given.seconds, given.repeats)


MEASURE = {
    "compare": lambda given, subject, peers, command: comparison.run(subject, peers, scale(given), given.only, given.perf, command),
    "tags": lambda given, subject, peers, command: tags.run(subject, peers, 2_000 if given.quick else given.tags, given.quick, command),
    "gate": lambda given, subject, _, command: gate.run(subject, scale(given), command),
    "trust": lambda given, subject, peers, command: trust.run(subject, peers, scale(given), command),
    "verify": lambda given, subject, peers, command: verify.run(subject, peers, 5 if given.quick else given.runs, given.quick, command),
    "durability": lambda given, subject, peers, command: durability.run(subject, peers, command),
}


def show(given: argparse.Namespace) -> int:
    try:
        results = [report.read(path) for path in given.files]
        if given.into:
            report.write_into(given.into, results)
        else:
            print("\n\n".join(report.render(result) for result in results))
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
