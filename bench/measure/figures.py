"""What one run of a load gave, and what several say together. Rates are per second, latencies in milliseconds."""

import statistics
from dataclasses import asdict, dataclass


@dataclass
class Run:
    """One run of a load against one server."""

    done: float
    """Requests, blobs or images; of large ones also a part."""
    seconds: float
    bytes: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    server_cpu_seconds: float = 0.0
    client_cpu_seconds: float = 0.0

    def figures(self) -> dict:
        return asdict(self) | {
            "rate": self.done / self.seconds,
            "mb_per_second": self.bytes / self.seconds / 1e6,
            "server_cpu_ms_each": self.server_cpu_seconds * 1e3 / self.done if self.done else None,
        }


def percentile(values: list[float], percent: float) -> float | None:
    """The nearest-rank percentile; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def median(runs: list[Run]) -> dict:
    """Each figure's median over the runs."""
    rows = [run.figures() for run in runs]
    return {name: _median([row[name] for row in rows]) for name in rows[0]}


def _median(values: list) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None
