"""What the comparison of verifiers rests on: that a process is measured by itself, and that a program that accepts too much, or fails
instead of refusing, is noticed. `python3 -m unittest discover bench`."""

import json
import os
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

from measure import Failed, report, verify
from measure.material import KIB, Image, annotated, image_manifest
from measure.report import MIB

SIGNED = Image(verify.REPOSITORY, "signed", image_manifest("verified", [10 * KIB]))
UNSIGNED = Image(verify.REPOSITORY, "unsigned", annotated(SIGNED.manifest, "unsigned"))


def python(program: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", program]


class OneRun(unittest.TestCase):
    def test_what_the_parent_holds_is_not_counted(self):
        held = bytearray(os.urandom(1)) * (300 * MIB)
        took = verify.once(python("held = bytearray(b'x') * (64 << 20)"), {})
        self.assertEqual(len(held), 300 * MIB)
        self.assertGreater(took["peak"], 64 * MIB)
        self.assertLess(took["peak"], 128 * MIB)

    def test_a_sleeper_takes_time_and_no_processor(self):
        took = verify.once(python("import time; time.sleep(0.5); held = bytearray(b'x') * (16 << 20)"), {})
        self.assertGreater(took["wall_ms"], 500)
        self.assertLess(took["cpu_ms"], 400)

    def test_a_run_that_fails_does_not_count(self):
        with self.assertRaisesRegex(Failed, "ended with 3 while"):
            verify.once(python("raise SystemExit(3)"), {})

    def test_what_cannot_be_run_does_not_count(self):
        with self.assertRaisesRegex(Failed, "could not be run"):
            verify.once(["/nowhere/countersign"], {})

    def test_what_is_too_small_to_be_measured_is_named(self):
        with self.assertRaisesRegex(Failed, "less memory than what measures it"):
            verify.once(["/bin/true"], {})

    def test_the_programs_take_turns(self):
        order = []

        def noted(command: list[str], _: dict) -> dict:
            order.append(command)
            return {}

        with mock.patch.object(verify, "once", noted):
            taken = verify.take_turns([verify.Verifier("a", "A", ["a"], {}), verify.Verifier("b", "B", ["b"], {})], "image", 3)
        self.assertEqual([command[0] for command in order], ["a", "b", "b", "a", "a", "b"])
        self.assertEqual({name: len(runs) for name, runs in taken.items()}, {"a": 3, "b": 3})


class WhatIsCheckedFirst(unittest.TestCase):
    """Two programs that answer as they are told here, by the tag of the image."""

    RIGHT = {
        "countersign": {"signed": (0, {"digest": SIGNED.manifest.digest}, ""), "unsigned": (verify.REFUSED, {}, "")},
        "cosign": {
            "signed": (0, [{"critical": {"image": {"docker-manifest-digest": SIGNED.manifest.digest}}}], ""),
            "unsigned": (10, [], "Error: no signatures found"),
        },
    }

    def check(self, **changed: dict):
        with tempfile.TemporaryDirectory() as folder:
            verifiers = []
            for name, answers in self.RIGHT.items():
                program = Path(folder) / name
                program.write_text(
                    f"import json, sys\ncode, answer, error = {answers | changed.get(name, {})!r}[sys.argv[-1].rpartition(':')[2]]\n"
                    "print(json.dumps(answer))\nprint(error, file=sys.stderr)\nsys.exit(code)\n"
                )
                verifiers.append(verify.Verifier(name, name, [sys.executable, "-I", "-S", str(program)], {"HOME": folder}))
            with mock.patch.object(verify, "say"):
                verify._check(types.SimpleNamespace(address=("127.0.0.1", 5000)), verifiers, SIGNED, [UNSIGNED])

    def test_right_answers_pass(self):
        self.check()

    def test_a_program_that_accepts_everything_is_noticed(self):
        for name, right in self.RIGHT.items():
            with self.assertRaisesRegex(Failed, f"{name} does not refuse the unsigned image"):
                self.check(**{name: {"unsigned": right["signed"]}})

    def test_failing_is_not_refusing(self):
        for name, code in (("countersign", 1), ("cosign", 1)):
            with self.assertRaisesRegex(Failed, f"{name} does not refuse the unsigned image"):
                self.check(**{name: {"unsigned": (code, {}, "connection refused")}})

    def test_a_program_that_accepts_nothing_is_noticed(self):
        for name, right in self.RIGHT.items():
            with self.assertRaisesRegex(Failed, f"{name} does not accept the signed image"):
                self.check(**{name: {"signed": right["unsigned"]}})

    def test_another_image_is_noticed(self):
        for name in self.RIGHT:
            answer = json.loads(json.dumps(self.RIGHT[name]["signed"][1]).replace(SIGNED.manifest.digest, UNSIGNED.manifest.digest))
            with self.assertRaisesRegex(Failed, f"{name} does not accept the signed image"):
                self.check(**{name: {"signed": (0, answer, "")}})


class WhatIsShown(unittest.TestCase):
    def rendered(self, countersign_ms: float, quick: bool = False) -> list[str]:
        found = {name: verify.summary([{"wall_ms": wall, "cpu_ms": 5.0, "peak": 20 * MIB}]) for name, wall in (("countersign", countersign_ms), ("cosign", 30.0))}
        ratio = {what: found["cosign"][what] / found["countersign"][what] for what in found["cosign"]}
        result = {"programs": {"countersign": "A", "cosign": "B"}, "found": found, "ratio": ratio, "server_cpu_ms_each": {"countersign": 1.0, "cosign": 2.0}}
        return report.verify(result | {"scale": {"runs": 1, "quick": quick}}).splitlines()

    def test_a_target_is_met_only_by_being_better(self):
        self.assertIn("> 1×: met ", self.rendered(10.0)[-1])
        self.assertEqual(self.rendered(30.0)[-1].count("**not met**"), 3)

    def test_a_smoke_run_judges_nothing(self):
        self.assertNotIn("met", "".join(self.rendered(10.0, quick=True)))

    def test_the_highest_peak_and_the_slowest_run_count(self):
        runs = [{"wall_ms": float(wall), "cpu_ms": 1.0, "peak": wall * MIB} for wall in range(1, 51)]
        found = verify.summary(runs)
        self.assertEqual((found["p50_ms"], found["p99_ms"], found["peak"]), (26.0, 50.0, 50 * MIB))


if __name__ == "__main__":
    unittest.main()
