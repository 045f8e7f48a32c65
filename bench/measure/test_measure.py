"""What the figures rest on: that the material is what it claims to be, that a wrong answer is noticed, that a trace is read rightly, and
that a page takes figures only where it has a place for them. `python3 -m unittest discover bench`."""

import gzip
import http.server
import io
import json
import tarfile
import tempfile
import threading
import unittest
from pathlib import Path

from measure import Failed, crew, durability, figures, material, reads, report, sameness
from measure.material import KIB, Blob, UniqueBlobs, UniqueLayers, digest_of
from measure.wire import Connection


class MaterialIsWhatItClaims(unittest.TestCase):
    def test_the_same_images_every_time(self):
        first, second = ([image.manifest.digest for image in material.images()] for _ in range(2))
        self.assertEqual(first, second)

    def test_an_image_fits_together(self):
        for image in material.images():
            for manifest in image.manifest.children or [image.manifest]:
                config, *layers = manifest.blobs
                diff_ids = [digest_of(gzip.decompress(layer.content)) for layer in layers]
                self.assertEqual(json.loads(config.content)["rootfs"]["diff_ids"], diff_ids)
                named = [entry["digest"] for entry in json.loads(manifest.content)["layers"]]
                self.assertEqual(named, [layer.digest for layer in layers])

    def test_unique_blobs_have_their_size_and_digest(self):
        blobs = UniqueBlobs(10 * KIB)
        (one, digest), (other, _) = blobs.blob("a"), blobs.blob("b")
        self.assertEqual((len(b"".join(one)), digest_of(b"".join(one))), (10 * KIB, digest))
        self.assertNotEqual(one, other)

    def test_unique_layers_are_gzip_tars(self):
        pieces, digest = UniqueLayers(200 * KIB).blob("a")
        self.assertEqual(digest_of(b"".join(pieces)), digest)
        with tarfile.open(fileobj=io.BytesIO(b"".join(pieces)), mode="r:gz") as archive:
            self.assertEqual([(entry.name, entry.size) for entry in archive], [("opt/bench", 200 * KIB)])


class Liar(http.server.BaseHTTPRequestHandler):
    """Serves a blob, or nearly."""

    protocol_version = "HTTP/1.1"
    content = b""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.send_header("Docker-Content-Digest", digest_of(BLOB.content))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(self.content)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


BLOB = Blob(b"as it was pushed")


class Stand:
    """What `sameness` needs of a server, in front of one that sends these bytes."""

    def __init__(self, test: unittest.TestCase, content: bytes):
        self.label = "a server"
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Liar,), {"content": content}))
        server.daemon_threads = True
        self.address = server.server_address
        threading.Thread(target=server.serve_forever, daemon=True).start()
        test.addCleanup(server.server_close)
        test.addCleanup(server.shutdown)

    def connection(self):
        return Connection(self.address)


class WrongAnswersAreNoticed(unittest.TestCase):
    def ask(self, *contents: bytes) -> int:
        question = sameness.Question("GET", "/v2/a/blobs/b", (), 200, BLOB.content, BLOB.digest)
        return sameness.compare([Stand(self, content) for content in contents], [question])

    def test_equal_answers_pass(self):
        self.assertEqual(self.ask(BLOB.content, BLOB.content), 2)

    def test_other_bytes_of_the_same_length_fail(self):
        with self.assertRaisesRegex(Failed, "other bytes"):
            self.ask(BLOB.content, b"As it was pushed")

    def test_a_head_with_another_length_fails(self):
        question = sameness.Question("HEAD", "/v2/a/blobs/b", (), 200, BLOB.content, BLOB.digest)
        with self.assertRaisesRegex(Failed, "length 3 instead of 16"):
            sameness.compare([Stand(self, b"abc")], [question])

    def test_a_download_of_another_length_fails(self):
        stand = Stand(self, BLOB.content)
        with self.assertRaisesRegex(Failed, "instead of 17"):
            reads.download(stand.address, "/", 17, 1, 0.1)

    def test_head_counts_answers(self):
        run = reads.head(Stand(self, BLOB.content).address, "/", {}, 4, 0.2)
        self.assertGreater(run.done, 4)
        self.assertIsNotNone(run.p99_ms)


class ClientsThatFail(unittest.TestCase):
    def test_a_failure_in_a_client_is_the_runs(self):
        def prepare(number: int):
            def work():
                if number == 1:
                    raise Failed("client 1 saw something")
                return 1, 0, []

            return work

        with self.assertRaisesRegex(Failed, "client 1 saw something"):
            crew.run(2, prepare)

    def test_a_failure_while_preparing_holds_nobody_up(self):
        def prepare(number: int):
            if number == 1:
                raise Failed("client 1 cannot begin")
            return lambda: (1, 0, [])

        with self.assertRaisesRegex(Failed, "client 1 cannot begin"):
            crew.run(2, prepare)


TRACE = """\
7 openat(AT_FDCWD</>, "/run/x/data/uploads/aa", O_WRONLY|O_CREAT|O_CLOEXEC, 0600) = 9</run/x/data/uploads/aa>
7 pwrite64(9</run/x/data/uploads/aa>, "..."..., 10240, 0) = 10240
7 fsync(9</run/x/data/uploads/aa> <unfinished ...>
8 write(5</dev/null>, "x", 1) = 1
7 <... fsync resumed>)                   = 0
7 rename("/run/x/data/uploads/aa", "/run/x/data/blobs/aa") = 0
7 fsync(9</run/x/data/blobs>)           = 0
8 pwrite64(6</run/x/data/countersign.db-wal>, "..."..., 4120, 0) = 4120
8 fdatasync(6</run/x/data/countersign.db-wal>) = 0
8 sendto(4<socket:[1]>, "HTTP/1.1 201 Created\\r\\nlocation: /v2/"..., 210, MSG_NOSIGNAL, NULL, 0) = 210
"""


class TracesAreRead(unittest.TestCase):
    def judge(self, trace: str) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "strace"
            output.write_text(trace)
            calls = list(durability._calls(output, Path("/run/x")))
        subject = durability.Countersign.__new__(durability.Countersign)
        return durability._judge(subject, calls)["findings"]

    def test_all_is_synced(self):
        self.assertEqual(self.judge(TRACE), ["blob synced", "folder of its name synced", "database synced"])

    def test_what_is_missing_is_named(self):
        for line, finding in (
            ("7 fsync(9</run/x/data/blobs>)", "folder of its name **not synced** after the rename"),
            ("8 fdatasync", "database **not synced**: data/countersign.db-wal"),
        ):
            without = "".join(other for other in TRACE.splitlines(True) if not other.startswith(line))
            self.assertIn(finding, self.judge(without))
        without = "".join(line for line in TRACE.splitlines(True) if "uploads/aa> <unfinished" not in line and "resumed" not in line)
        self.assertIn("blob **not synced**", self.judge(without))


class FiguresAndPages(unittest.TestCase):
    def test_the_median_of_runs(self):
        runs = [figures.Run(done, 2.0, server_cpu_seconds=1.0) for done in (10, 40, 20)]
        self.assertEqual((figures.median(runs)["rate"], figures.median(runs)["server_cpu_ms_each"]), (10.0, 50.0))

    def test_percentiles(self):
        values = [float(value) for value in range(1, 101)]
        self.assertEqual((figures.percentile(values, 50), figures.percentile(values, 99), figures.percentile([], 50)), (51.0, 100.0, None))

    def test_a_target_is_judged(self):
        self.assertEqual(report.verdict(9.99, 10.0), "≥ 10×: **not met**")
        self.assertEqual(report.verdict(10.0, 10.0), "≥ 10×: met")

    def test_a_page_without_a_place_is_left_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            page.write_text("# Performance\n")
            with self.assertRaisesRegex(Failed, "has no place for gate"):
                report.write_into(page, [{"kind": "gate"}])
            self.assertEqual(page.read_text(), "# Performance\n")


if __name__ == "__main__":
    unittest.main()
