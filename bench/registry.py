#!/usr/bin/env python3
"""bench/registry.py: Countersign's registry beside Debian's docker-registry, on this machine, in one run. `--help` says how; README.md
says what the figures mean."""

import argparse
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from measure import Failed, comparison, durability, gate, report, tags
from measure.servers import Countersign, Server, countersign_program, peers
from measure.steps import QUICK, Scale

REPOSITORY = Path(__file__).resolve().parents[1]
COMMANDS = ("compare", "tags", "gate", "durability", "report")


def main() -> int:
    arguments = sys.argv[1:]
    if not arguments or (arguments[0] not in COMMANDS and arguments[0] not in ("-h", "--help")):
        arguments = ["compare", *arguments]
    given = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    try:
        if given.command == "report":
            return show(given)
        return measure(given)
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--countersign", metavar="PATH", help="the program to measure (default: target/release/countersign, also of CARGO_TARGET_DIR)")
    common.add_argument("--data", metavar="DIR", type=Path, default=REPOSITORY / "target" / "bench", help="a folder on the disk to measure; what is made in it is removed (default: %(default)s)")
    common.add_argument("--peers", metavar="NAMES", help="whom to compare with, or none (default: docker-registry,docker-registry-gogc400; with --quick the first alone)")
    common.add_argument("--json", metavar="FILE", type=Path, help="also write the figures to this file")
    common.add_argument("--seconds", type=int, help="of each run (default: 5)")
    common.add_argument("--repeats", type=int, help="runs of each step; the median counts (default: 3)")
    common.add_argument("--quick", action="store_true", help="a smoke run: everything is compared and tried, and the figures mean nothing")
    compare = commands.add_parser("compare", parents=[common], help="the steps side by side (this is what happens without a command)")
    compare.add_argument("--only", metavar="PATTERNS", help="steps to run, such as `manifest-*,upload-10k-8`")
    compare.add_argument("--perf", action="store_true", help="record a profile of Countersign in each step, in a run of its own")
    many = commands.add_parser("tags", parents=[common], help="start-up and lists with many tags in one repository")
    many.add_argument("--tags", type=int, default=100_000, help="how many (default: %(default)s)")
    commands.add_parser("gate", parents=[common], help="a pull through a gate beside one that no gate holds")
    commands.add_parser("durability", parents=[common], help="the system calls of one upload, with strace")
    shown = commands.add_parser("report", help="the Markdown tables of results")
    shown.add_argument("files", metavar="FILE", nargs="+", type=Path, help="what --json wrote")
    shown.add_argument("--into", metavar="PAGE", type=Path, help="put them into this page, between its marks, instead of printing them")
    return top


def measure(given: argparse.Namespace) -> int:
    scale = QUICK if given.quick else Scale(seconds=given.seconds or 5, repeats=given.repeats or 3)
    program = countersign_program(given.countersign, REPOSITORY)
    given.data.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=given.data))
    names = (given.peers or ("docker-registry" if given.quick else "docker-registry,docker-registry-gogc400")).split(",")
    subject, others = Countersign(folder / "countersign", program), peers([name for name in names if name != "none"], folder)
    command = shlex.join(["bench/registry.py", *sys.argv[1:]])
    try:
        result = COMMAND[given.command](given, scale, subject, others, command)
    finally:
        stop([subject, *others])
        shutil.rmtree(folder, ignore_errors=True)
    print(report.render(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def stop(servers: list[Server]):
    for server in servers:
        server.stop()


def show(given: argparse.Namespace) -> int:
    results = [report.read(path) for path in given.files]
    if given.into:
        report.write_into(given.into, results)
    else:
        print("\n\n".join(report.render(result) for result in results))
    return 0


COMMAND = {
    "compare": lambda given, scale, subject, others, command: comparison.run(subject, others, scale, given.only, given.perf, command),
    "tags": lambda given, scale, subject, others, command: tags.run(subject, others, 2_000 if given.quick else given.tags, given.quick, command),
    "gate": lambda given, scale, subject, _, command: gate.run(subject, scale, command),
    "durability": lambda given, scale, subject, others, command: durability.run(subject, others, command),
}

if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code) if code else sys.exit(0)
