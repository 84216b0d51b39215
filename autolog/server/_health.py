"""Routes that report the server's health, its readiness and its metrics."""

from __future__ import annotations

from autolog.dialects import native
from autolog.dialects._fault import Fault
from autolog.server._call import Call, Reply, Route
from autolog.server._keys import ANY_PROJECT


def health(call: Call) -> Reply:  # noqa: ARG001 - a handler's signature
    """Say that the process is alive, without asking the store."""
    return Reply(200, {"status": "ok"})


async def ready(call: Call) -> Reply:
    """Say whether the server would accept a log now, by whether the store could just be written."""
    problem = await call.services.readiness.problem()
    if problem is None:
        return Reply(200, {"status": "ok"})
    return Reply(503, {"status": "unavailable", "problem": problem}, headers={"retry-after": "5"})


def metrics(call: Call) -> Reply:
    """Return metrics in Prometheus' text format.

    Raises:
        Fault: 403, if the key is not for all projects.
    """
    if call.principal.project != ANY_PROJECT:
        raise Fault(403, "these figures cover all projects, and this key is for one")
    text, kind = call.services.metrics.text()
    return Reply(200, text, kind)


ROUTES = [
    Route("GET", "/health", health, native, "Whether the process is alive", "read", open=True, quick=True),
    Route("GET", "/ready", ready, native, "Whether a log would be accepted now", "read", open=True, quick=True),
    Route("GET", "/metrics", metrics, native, "Metrics for Prometheus", "read"),
]
