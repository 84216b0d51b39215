"""The bundled server: serves OTLP, other loggers' APIs and autolog's own from one store.

`create_app(store=...)` returns an ASGI application, which can be mounted in a Starlette or FastAPI application or run
by itself (`autolog serve`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autolog.server._limits import Limits
    from autolog.server._notify import MailServer, Notifier
    from autolog.server.app import create_app
    from autolog.stores.retention import Retain

__all__ = ["Limits", "MailServer", "Notifier", "Retain", "create_app"]

_MODULES = {
    "Limits": "autolog.server._limits",
    "MailServer": "autolog.server._notify",
    "Notifier": "autolog.server._notify",
    "Retain": "autolog.stores.retention",
    "create_app": "autolog.server.app",
}


def __getattr__(name: str) -> Any:
    """Import what is used when it is first used: commands that work on a store need no web framework."""
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'autolog.server' has no attribute {name!r}")
