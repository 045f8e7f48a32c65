"""Where a server's processor time goes, with perf(1): a run of its own, whose figures do not count."""

import re
import signal
import subprocess
from pathlib import Path

from measure import Failed
from measure.servers import need

SAMPLES_PER_SECOND = 499
SYMBOLS_MAX = 30
SYMBOL_CHARACTERS_MAX = 120
LINE = re.compile(r"^\s*(\d+\.\d+)%\s+(\S+)\s+\[(.)\]\s+(.+?)(?:\s+-\s+-)?\s*$")


class Recording:
    """Records a process while it is entered."""

    def __init__(self, pid: int, file: Path):
        self.pid = pid
        self.file = file
        self.perf = need("perf", "linux-perf")
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "Recording":
        command = [self.perf, "record", "-q", "-F", str(SAMPLES_PER_SECOND), "-p", str(self.pid), "-o", str(self.file)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGINT)
        _, said = self._process.communicate()
        if not self.file.exists():
            raise Failed(f"perf recorded nothing: {said.strip()}")

    def top(self) -> list[dict]:
        """The symbols with the largest shares, in percent of the samples."""
        command = [self.perf, "report", "--stdio", "-q", "--no-children", "--percent-limit", "0.5", "-s", "dso,symbol", "-i", str(self.file)]
        done = subprocess.run(command, capture_output=True, text=True)
        found = [LINE.match(line) for line in done.stdout.splitlines()]
        symbols = [{"percent": float(m[1]), "object": m[2], "kernel": m[3] == "k", "symbol": m[4][:SYMBOL_CHARACTERS_MAX]} for m in found if m]
        if not symbols:
            raise Failed(f"perf reports no symbols: {done.stderr.strip()}")
        return symbols[:SYMBOLS_MAX]
