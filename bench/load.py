#!/usr/bin/env python3
"""bench/load.py: many clients at once, pulling and pushing whole images. Ends with 1 if a server answered 5xx, broke off, or sent wrong
bytes. README.md says what the figures mean."""

import argparse
import sys

from measure import crowd, program


def main() -> int:
    return program.run(parser().parse_args(), sys.argv, measure)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description=__doc__, parents=[program.options()])
    default = crowd.Size()
    top.add_argument("--pulls", type=int, default=default.pulls, help="clients that pull (default: %(default)s)")
    top.add_argument("--pushes", type=int, default=default.pushes, help="clients that push (default: %(default)s)")
    top.add_argument("--layers", type=int, default=default.layers, help="layers of each image (default: %(default)s)")
    top.add_argument("--layer-bytes", type=int, default=default.layer_bytes, help="of each layer (default: %(default)s)")
    return top


def measure(given: argparse.Namespace, subject, peers, command: str) -> dict:
    size = crowd.Size(given.pulls, given.pushes, given.layers, given.layer_bytes)
    if given.quick:
        size = crowd.Size(pulls=50, pushes=10, layers=2, layer_bytes=256 * 1024)
    return crowd.run(subject, peers, size, given.quick, command)


if __name__ == "__main__":
    sys.exit(main())
