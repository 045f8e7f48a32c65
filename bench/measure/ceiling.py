"""What the load generators can do at most on this machine: the same loads against a server that does nothing but send a fixed answer.
Figures of a registry that come near are the generator's, not the registry's."""

import os
import selectors
import signal
import socket

from measure import reads

BODY = b"." * 913
HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: 913\r\n\r\n"
PROCESSES = 2


def measure(connections: int, seconds: int) -> dict[str, float]:
    """Requests per second of GET with wrk and of HEAD with our own clients."""
    # One port, a listening socket for each process: the kernel spreads the connections.
    listeners = [_listener(0)]
    address = listeners[0].getsockname()
    listeners += [_listener(address[1]) for _ in range(PROCESSES - 1)]
    children = [_fork(listener) for listener in listeners]
    try:
        get = reads.get(address, "/", {}, connections, seconds)
        head = reads.head(address, "/", {}, connections, seconds)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        for listener in listeners:
            listener.close()
    return {"get": get.done / get.seconds, "head": head.done / head.seconds}


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(1024)
    return listener


def _fork(listener: socket.socket) -> int:
    child = os.fork()
    if child == 0:
        try:
            _serve(listener)
        finally:
            os._exit(0)
    return child


def _serve(listener: socket.socket):
    selector = selectors.EpollSelector()
    selector.register(listener, selectors.EVENT_READ)
    whole = HEADERS + BODY
    while True:
        for key, _ in selector.select():
            connection = key.fileobj
            if connection is listener:
                accepted, _ = listener.accept()
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(accepted, selectors.EVENT_READ)
                continue
            try:
                request = connection.recv(65_536)
                if request:
                    connection.send(HEADERS if request.startswith(b"HEAD") else whole)
                    continue
            except OSError:
                pass
            selector.unregister(connection)
            connection.close()
