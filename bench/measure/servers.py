"""The servers under measurement, each a process with a fresh data folder on a free port of 127.0.0.1. They are ended by their pid.
Configured alike: no TLS, no access log, deletion allowed, and everyone may pull."""

import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from measure import Failed, process
from measure.wire import Connection, basic

START_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 60.0


class Server:
    """A registry that can be started, asked, and stopped. `name` is its key in the figures."""

    name: str
    label: str
    data: Path
    """Where it keeps what was pushed."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.data = folder / "data"
        self.address: tuple[str, int] = ("127.0.0.1", 0)
        self.process: subprocess.Popen | None = None
        self.started_in_seconds = 0.0
        self.idle: process.Memory | None = None

    def start(self, wrapper: list[str] | None = None) -> "Server":
        """Starts the process, under `wrapper` (such as strace) if given, and returns when it has answered a request."""
        self.folder.mkdir(parents=True, exist_ok=True)
        begun = time.perf_counter()
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*(wrapper or []), *self.command()], env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        self._wait(begun + START_SECONDS_MAX)
        self.started_in_seconds = time.perf_counter() - begun
        return self

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder)}

    def push_authorization(self) -> str | None:
        """The `Authorization` header of who may push."""
        return None

    def version(self) -> str:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    def connection(self, authorization: str | None = None) -> Connection:
        return Connection(self.address, authorization)

    def pusher(self) -> Connection:
        return Connection(self.address, self.push_authorization())

    def cpu_seconds(self) -> float:
        return process.cpu_seconds(self.pid)

    def memory(self) -> process.Memory:
        return process.memory(self.pid)

    def check_alive(self):
        if self.process is None or self.process.poll() is not None:
            raise Failed(f"{self.label} has ended; its log ends with:\n{self._last_words()}")

    def stop(self, kill: bool = False):
        """Asks it to end, or ends it at once with `kill`, and waits."""
        if not self.process:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.process = None

    def _wait(self, end: float):
        """Until it answers a request. A 401 is an answer."""
        while time.perf_counter() < end:
            self.check_alive()
            try:
                self._find_port(end)
                with self.connection() as connection:
                    if connection.ask("GET", "/v2/").status in (200, 401):
                        return
            except OSError:
                time.sleep(0.002)
        raise Failed(f"{self.label} did not answer within {START_SECONDS_MAX:.0f} s; its log ends with:\n{self._last_words()}")

    def _find_port(self, end: float):
        pass

    def _last_words(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]


class Countersign(Server):
    name = "countersign"
    label = "Countersign"

    def __init__(self, folder: Path, program: Path):
        super().__init__(folder)
        self.program = program
        self.password = secrets.token_hex(16)

    def command(self) -> list[str]:
        return [str(self.program), "serve", "--data", str(self.data), "--listen", "127.0.0.1:0", "--anonymous-pull"]

    def environment(self) -> dict[str, str]:
        return super().environment() | {"COUNTERSIGN_ADMIN_PASSWORD": self.password, "COUNTERSIGN_LOG": "warn"}

    def push_authorization(self) -> str:
        return basic("admin", self.password)

    def version(self) -> str:
        return _version([str(self.program), "--version"])

    def start(self, wrapper: list[str] | None = None) -> "Countersign":
        self.address = ("127.0.0.1", 0)
        super().start(wrapper)
        return self

    def run(self, *arguments: str, stdin: str | None = None, **variables: str) -> str:
        """One of its own commands, with a configuration of its own; answers what it printed."""
        environment = Server.environment(self) | {"COUNTERSIGN_CONFIG_DIR": str(self.folder / "cli"), "DOCKER_CONFIG": str(self.folder / "cli")}
        done = subprocess.run(
            [str(self.program), *arguments], input=stdin, env=environment | variables, cwd=self.folder, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise Failed(f"`countersign {' '.join(arguments)}` ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout.strip()

    def log_in(self):
        """As admin, for `run`."""
        self.run("login", "--server", self.url, "--user", "admin", "--password-stdin", stdin=self.password)

    def _find_port(self, end: float):
        """Port 0 was asked for: the first line names the one that it got."""
        if self.address[1]:
            return
        ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, end - time.perf_counter()))
        line = self.process.stdout.readline().decode() if ready else ""
        if "http://" not in line:
            self.process.wait(5)
            self.check_alive()
            raise Failed(f"Countersign did not say where it listens, but `{line.strip()}`")
        host, _, port = line.strip().rpartition("http://")[2].rpartition(":")
        self.address = (host, int(port))


class DockerRegistry(Server):
    """The reference implementation as Debian packages it: file system, descriptors cached in memory."""

    def __init__(self, folder: Path, program: str, gogc: int | None = None):
        super().__init__(folder)
        self.program = program
        self.gogc = gogc
        self.name = "docker-registry" if gogc is None else f"docker-registry-gogc{gogc}"
        self.label = "docker-registry" if gogc is None else f"docker-registry, GOGC={gogc}"

    def command(self) -> list[str]:
        self.address = ("127.0.0.1", _free_port())
        self.data.mkdir(exist_ok=True)
        configuration = self.folder / "config.yml"
        configuration.write_text(
            "version: 0.1\n"
            "log: {level: warn, accesslog: {disabled: true}}\n"
            "storage:\n"
            "  cache: {blobdescriptor: inmemory}\n"
            f"  filesystem: {{rootdirectory: {self.data}, maxthreads: 100}}\n"
            "  delete: {enabled: true}\n"
            f"http: {{addr: '127.0.0.1:{self.address[1]}'}}\n"
        )
        return [self.program, "serve", str(configuration)]

    def environment(self) -> dict[str, str]:
        return super().environment() | ({} if self.gogc is None else {"GOGC": str(self.gogc)})

    def version(self) -> str:
        return _version([self.program, "--version"])


class NotaryServer(Server):
    """Notary's server as Debian packages it: everything in memory, its keys too."""

    name = "notary-server"
    label = "notary-server"

    def command(self) -> list[str]:
        self.address = ("127.0.0.1", _free_port())
        configuration = self.folder / "server.json"
        configuration.write_text(
            json.dumps(
                {
                    "server": {"http_addr": f"127.0.0.1:{self.address[1]}"},
                    "trust_service": {"type": "local"},
                    "storage": {"backend": "memory"},
                    "logging": {"level": "error"},
                }
            )
        )
        return [need("notary-server", "notary"), "-config", str(configuration)]

    def version(self) -> str:
        return _version(["dpkg-query", "--show", "notary"])


def countersign_program(given: str | None, repository: Path) -> Path:
    """The program to measure: the one that was given, or what `cargo build --release` makes."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or repository / "target")
    program = Path(given) if given else target / "release" / "countersign"
    if not program.is_file():
        raise Failed(f"there is no `{program}`: run cargo build --release, or name another with --countersign")
    return program.resolve()


def peers(names: list[str], folder: Path) -> list[Server]:
    """The servers to compare with, by name: `docker-registry`, `docker-registry-gogc400`, `notary-server`."""
    servers: list[Server] = []
    for name in names:
        if name == NotaryServer.name:
            servers.append(NotaryServer(folder / name))
            continue
        base, _, gogc = name.partition("-gogc")
        if base != "docker-registry" or (gogc and not gogc.isdigit()):
            raise Failed(f"`{name}` is not a peer: name docker-registry, docker-registry-gogc400, or none")
        servers.append(DockerRegistry(folder / name, need("docker-registry", "docker-registry"), int(gogc) if gogc else None))
    return servers


def need(program: str, package: str) -> str:
    """The path of a program that the measurement cannot do without."""
    found = shutil.which(program)
    if not found:
        raise Failed(f"`{program}` is missing: install the package {package}")
    return found


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _version(command: list[str]) -> str:
    """The last word of what it says of itself."""
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout or done.stderr).split()[-1]
