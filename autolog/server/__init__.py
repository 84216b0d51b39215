"""The bundled server: serves OTLP, other loggers' APIs and autolog's own from one store.

`create_app(store=...)` returns an ASGI application, which can be mounted in a Starlette or FastAPI application or run
by itself (`autolog serve`).
"""

from __future__ import annotations

from autolog.server._limits import Limits
from autolog.server._notify import MailServer, Notifier
from autolog.server.app import create_app
from autolog.stores.retention import Retain

__all__ = ["Limits", "MailServer", "Notifier", "Retain", "create_app"]
