"""Several clients at once, each a process of its own, so that Python's one core is not what is measured. Everything is prepared
before the clock starts: the clients wait for each other, then go."""

import multiprocessing
import os
import threading
import time
import traceback
from dataclasses import dataclass

from measure import Failed

_FORK = multiprocessing.get_context("fork")
PREPARE_SECONDS_MAX = 300


@dataclass
class Report:
    """What one client says afterwards. Times are of `time.perf_counter`, which processes share."""

    done: float
    bytes: int
    begun: float
    ended: float
    latencies_ms: list[float]
    cpu_seconds: float


def run(clients: int, prepare, at_start=lambda: None) -> list[Report]:
    """Forks the clients. `prepare(number)` makes each one's work, a function that is called when all are ready, and answers
    (done, bytes, latencies in ms); `at_start` is called here at that moment. Fails with the first failure of any."""
    barrier = _FORK.Barrier(clients + 1)
    members = []
    for number in range(clients):
        receiver, sender = _FORK.Pipe(duplex=False)
        member = _FORK.Process(target=_client, args=(number, prepare, barrier, sender), daemon=True)
        member.start()
        sender.close()
        members.append((member, receiver))
    try:
        barrier.wait(PREPARE_SECONDS_MAX)
        at_start()
    except threading.BrokenBarrierError:
        # A client failed while it prepared; it says why below.
        pass
    answers = [_receive(receiver) for _, receiver in members]
    for member, _ in members:
        member.join()
    failures = [answer for answer in answers if isinstance(answer, str)]
    if failures:
        told = [failure for failure in failures if "BrokenBarrier" not in failure]
        raise Failed((told or failures)[0])
    return answers


def _client(number: int, prepare, barrier, sender):
    try:
        work = prepare(number)
        barrier.wait(PREPARE_SECONDS_MAX)
        begun, cpu = time.perf_counter(), time.process_time()
        done, size, latencies = work()
        sender.send(Report(done, size, begun, time.perf_counter(), latencies, time.process_time() - cpu))
    except Failed as error:
        barrier.abort()
        sender.send(str(error))
    except BaseException:
        barrier.abort()
        sender.send(traceback.format_exc())
    finally:
        sender.close()
        # Not through the parent's clean-up, which would stop the servers.
        os._exit(0)


def _receive(receiver):
    try:
        return receiver.recv()
    except EOFError:
        return "a client of the load ended without a word"
