"""How the server is: alive, ready, and in figures."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from autolog.dialects import native
from autolog.dialects._fault import Fault
from autolog.errors import StoreError
from autolog.server._auth import authorise, key_of
from autolog.server._endpoint import encode, fault_reply
from autolog.server._keys import ANY_PROJECT
from autolog.server._services import Services

#: How long a write may take before the server is not ready, in seconds.
PATIENCE = 5.0


def routes(services: Services) -> list[Route]:
    """`/health`, `/ready` and `/metrics`."""

    async def health(request: Request) -> Response:  # noqa: ARG001 - an endpoint's signature
        """The process lives; asks nothing of the store."""
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:  # noqa: ARG001 - an endpoint's signature
        """A log would be taken now: the store has just kept something."""
        problem = await run_in_threadpool(_problem, services)
        if problem is None:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "unavailable", "problem": problem}, 503, {"retry-after": "5"})

    async def metrics(request: Request) -> Response:
        """For Prometheus; needs a key that may read all projects."""
        try:
            principal = await run_in_threadpool(authorise, services, key_of(request.headers), "read")
            if principal.project != ANY_PROJECT:
                raise Fault(403, "these figures are of all projects, and this key is for one")
        except Fault as fault:
            return encode(fault_reply(native, fault))
        text, kind = await run_in_threadpool(services.metrics.text)
        return Response(text, 200, {"content-type": kind})

    return [Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)]


def _problem(services: Services) -> str | None:
    """Why nothing can be written; None if something can."""
    data = {"at": datetime.now(UTC).isoformat()}
    try:
        done: Future[Any] = services.writer.submit(lambda store: store.put_document("health", "ready", data))
        done.result(PATIENCE)
    except TimeoutError:
        return f"the store has not answered for {PATIENCE:g} seconds"
    except StoreError as error:
        return error.problem
    return None
