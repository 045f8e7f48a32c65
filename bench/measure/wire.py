"""HTTP/1.1 on a raw socket: the least work a client can do between two time stamps. One connection, kept alive; no redirects, no
TLS, no retries: an answer that cannot be read is an error, never a slow success."""

import base64
import json
import socket
import time

from measure import Failed

HEAD_BYTES_MAX = 64 * 1024
RECEIVE_BYTES = 256 * 1024
# Idle for longer, a server may be about to close the connection (docker-registry and hyper both do, later than this).
IDLE_SECONDS_MAX = 5.0
TIMEOUT_SECONDS = 120.0


class Answer:
    """A status, the headers under lower-case names, the body."""

    __slots__ = ("status", "headers", "body")

    def __init__(self, status: int, headers: dict[str, str], body: bytes):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def error_code(self) -> str:
        """The code of the first error of a distribution-spec error body, or what stands in its place."""
        try:
            return self.json()["errors"][0]["code"]
        except (ValueError, KeyError, IndexError, TypeError):
            return repr(self.body[:80])


def basic(user: str, secret: str) -> str:
    """The value of an `Authorization` header with name and password, or name and token."""
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


class Connection:
    """A connection to `(host, port)`, opened when it is first needed."""

    def __init__(self, address: tuple[str, int], authorization: str | None = None):
        self.address = address
        self._lines = f"Host: {address[0]}:{address[1]}\r\nUser-Agent: countersign-bench\r\n"
        if authorization:
            self._lines += f"Authorization: {authorization}\r\n"
        self._socket = None
        self._rest = b""
        self._used_at = 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._socket:
            self._socket.close()
        self._socket = None
        self._rest = b""

    def open(self):
        """Connects, if that has not been done or was long ago."""
        if self._socket and time.monotonic() - self._used_at > IDLE_SECONDS_MAX:
            self.close()
        if not self._socket:
            self._socket = socket.create_connection(self.address, timeout=TIMEOUT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method: str, target: str, headers: dict[str, str] | None = None, body=None) -> Answer:
        """Sends a request and reads the whole answer. `body` is bytes, or a list of pieces that are sent one after the other."""
        self.open()
        self._send(self._head(method, target, headers or {}, body), body)
        return self._receive(method)

    def drain(self, target: str, length: int, buffer: bytearray):
        """GET of a body that nobody keeps: yields how many bytes arrived each time, and fails unless they are `length` in all."""
        self.open()
        self._send(self._head("GET", target, {}, None), None)
        status, headers = self._read_head()
        if status != 200 or headers.get("content-length") != str(length):
            raise Failed(f"GET {target} was answered with {status} and length {headers.get('content-length')} instead of {length}")
        have, self._rest = len(self._rest), b""
        yield have
        while have < length:
            received = self._socket.recv_into(buffer, min(len(buffer), length - have))
            if not received:
                raise Failed(f"the server closed the connection after {have} of {length} bytes of a body")
            have += received
            yield received
        self._used_at = time.monotonic()

    def _head(self, method, target, headers, body) -> bytes:
        lines = [f"{method} {target} HTTP/1.1\r\n", self._lines]
        lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
        if method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {sum(map(len, pieces(body)))}\r\n")
        lines.append("\r\n")
        return "".join(lines).encode()

    def _send(self, head: bytes, body):
        left = [memoryview(piece) for piece in (head, *pieces(body)) if len(piece)]
        while left:
            sent = self._socket.sendmsg(left)
            while left and sent >= len(left[0]):
                sent -= len(left.pop(0))
            if left and sent:
                left[0] = left[0][sent:]

    def _receive(self, method: str) -> Answer:
        while True:
            status, headers = self._read_head()
            if status != 100:
                break
        if method == "HEAD" or status in (204, 304):
            body = b""
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._read_chunks()
        elif "content-length" in headers:
            body = self._read_exactly(int(headers["content-length"]))
        else:
            raise Failed(f"an answer to {method} has neither a length nor chunks")
        self._used_at = time.monotonic()
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    def _more(self):
        received = self._socket.recv(RECEIVE_BYTES)
        if not received:
            raise Failed("the server closed the connection in the middle of an answer")
        self._rest += received

    def _read_head(self) -> tuple[int, dict[str, str]]:
        while (end := self._rest.find(b"\r\n\r\n")) < 0:
            if len(self._rest) > HEAD_BYTES_MAX:
                raise Failed("the head of an answer does not end")
            self._more()
        first, *lines = self._rest[:end].decode("latin-1").split("\r\n")
        self._rest = self._rest[end + 4 :]
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return int(first.split(" ", 2)[1]), headers

    def _read_exactly(self, length: int) -> bytes:
        if length <= len(self._rest):
            body, self._rest = self._rest[:length], self._rest[length:]
            return body
        body = bytearray(length)
        have = len(self._rest)
        body[:have] = self._rest
        self._rest = b""
        view = memoryview(body)
        while have < length:
            received = self._socket.recv_into(view[have:])
            if not received:
                raise Failed(f"the server closed the connection after {have} of {length} bytes of a body")
            have += received
        view.release()
        return bytes(body) if length < RECEIVE_BYTES else body

    def _read_chunks(self) -> bytes:
        body = b""
        while True:
            while (end := self._rest.find(b"\r\n")) < 0:
                self._more()
            length = int(self._rest[:end].split(b";")[0], 16)
            self._rest = self._rest[end + 2 :]
            chunk = self._read_exactly(length + 2)
            if length == 0:
                return body
            body += chunk[:-2]


def pieces(body) -> list:
    """A body as a list of its pieces."""
    if body is None:
        return []
    return body if isinstance(body, list) else [body]


def place(location: str) -> str:
    """The path and query of a `Location`, which may be relative or hold the host."""
    if "://" in location:
        location = "/" + location.split("://", 1)[1].partition("/")[2]
    return location


def with_query(target: str, parameter: str) -> str:
    """A target with one more parameter; the session's own state may stand there already."""
    return f"{target}{'&' if '?' in target else '?'}{parameter}"
