"""What the programs of this folder have in common at their door: options, folders, results, exit codes."""

import argparse
import json
import shlex
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from measure import Failed, report
from measure.servers import Countersign, countersign_program, peers

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKER_REGISTRY = "docker-registry"


def options() -> argparse.ArgumentParser:
    """The options that every measurement takes."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--countersign", metavar="PATH", help="the program to measure (default: release/countersign of CARGO_TARGET_DIR, or else of target)")
    common.add_argument("--data", metavar="DIR", type=Path, default=REPOSITORY / "target" / "bench", help="a folder on the disk to measure, emptied afterwards (default: target/bench)")
    common.add_argument("--peers", metavar="NAMES", help="whom to compare with: docker-registry, docker-registry-gogcN, with commas; or none")
    common.add_argument("--json", metavar="FILE", type=Path, help="also write the figures to this file")
    common.add_argument("--quick", action="store_true", help="a smoke run: everything is compared and tried, and the figures mean nothing")
    return common


def run(given: argparse.Namespace, arguments: list[str], measure, peers_default: str = DOCKER_REGISTRY) -> int:
    """Runs `measure(given, subject, peers, command)` in a folder of its own, ends the servers whatever happens, and prints the result.
    Answers the exit code: 1 if the measurement failed, or if its result holds a failure."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    try:
        result = _measure(given, arguments, measure, peers_default)
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(report.render(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")
    failures = report.failures(result)
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _measure(given: argparse.Namespace, arguments: list[str], measure, peers_default: str) -> dict:
    program = countersign_program(given.countersign, REPOSITORY)
    given.data.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=given.data.resolve()))
    subject = Countersign(folder / "countersign", program)
    others = []
    try:
        first = peers_default.split(",")[0]
        names = (given.peers or (first if given.quick else peers_default)).split(",")
        others = peers([name for name in names if name != "none"], folder)
        name = Path(arguments[0]).name
        return measure(given, subject, others, shlex.join([f"bench/{name}", *arguments[1:]]))
    finally:
        for server in [subject, *others]:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
