"""What the programs of this folder share: servers under measurement, material to push, loads, figures. Nothing here decides what is
measured; `comparison`, `tags`, `gate`, `durability` and `crowd` do."""

import sys


class Failed(Exception):
    """The measurement cannot be made, or a server gave a wrong answer; the message says which and what to do."""


def say(text: str):
    """Progress, on standard error: the result goes to standard output."""
    print(text, file=sys.stderr, flush=True)
