"""Call functions when modules are imported, through wrapt's import hooks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from autolog._guard import guard

if TYPE_CHECKING:
    from types import ModuleType

_waiting: list[tuple[str, Callable[[ModuleType], None]]] = []


def follow_import(name: str, follower: Callable[[ModuleType], None]) -> None:
    """Call `follower` with the module of that name when it is imported; if it has been already, do nothing.

    An error of the follower is reported and does not make the import fail. Following twice with an equal function has
    no effect before the import, and follows the next one after it.
    """
    if name in sys.modules or (name, follower) in _waiting:
        return
    from wrapt import register_post_import_hook

    def on_import(module: ModuleType) -> None:
        _waiting.remove((name, follower))
        with guard(f"following the import of {name}"):
            follower(module)

    _waiting.append((name, follower))
    register_post_import_hook(on_import, name)
