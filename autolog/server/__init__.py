"""The bundled server: OTLP, other loggers' APIs and our own over one store.

`create_app(store=...)` is an ASGI application; it mounts inside a Starlette or FastAPI application as well as it
runs by itself (`autolog serve`).
"""

from __future__ import annotations

from autolog.server._limits import Limits
from autolog.server._notify import MailServer, Notifier
from autolog.server.app import create_app
from autolog.stores.retention import Retain

__all__ = ["Limits", "MailServer", "Notifier", "Retain", "create_app"]
