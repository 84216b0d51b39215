"""Call functions when modules are imported, also when they are imported again or reloaded.

A finder at the start of `sys.meta_path` asks the finders behind it, and wraps the loader that they return in one that
calls the functions after it has executed the module. They may be called more than once for one import.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from autolog._guard import guard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_followers: dict[str, list[Callable[[ModuleType], None]]] = {}


def follow_imports(name: str, follower: Callable[[ModuleType], None]) -> None:
    """Call `follower` with the module of that name whenever it has been executed from now on.

    An error of the follower is reported and does not make the import fail. Following twice with an equal function has
    no effect.
    """
    followers = _followers.setdefault(name, [])
    if follower not in followers:
        followers.append(follower)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


class _Finder:
    """Finds the modules that are followed, through the finders behind itself."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _followers or self not in sys.meta_path:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find and find(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):  # a namespace package has no loader
                    spec.loader = _Loader(name, spec.loader)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """Calls a module's followers after executing the module with its own loader, which then takes this one's place."""

    def __init__(self, name: str, loader: Any) -> None:
        self._name = name
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        for follower in tuple(_followers[self._name]):
            with guard(f"following the import of {self._name}"):
                follower(module)


_finder = _Finder()
