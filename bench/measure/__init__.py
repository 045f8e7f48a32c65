"""What the programs of this folder share: servers under measurement, material to push, loads, figures. Nothing here decides what is
measured; `comparison`, `tags`, `gate`, `durability` and `crowd` do."""


class Failed(Exception):
    """The measurement cannot be made, or a server gave a wrong answer; the message says which and what to do."""
