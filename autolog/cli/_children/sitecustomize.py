"""Patch a Python process that a program under `autolog run` has started: Python imports this when it starts.

The environment may have a `sitecustomize` of its own, which is imported first, as it would be without this one.

Launchers such as `opentelemetry-instrument` put one of theirs before this one and execute Python, which then imports
theirs only. This folder is therefore put first again whenever this process is replaced, and by each of its children.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

_FOLDER = str(Path(__file__).parent)


def _put_first(environ: MutableMapping[str, str]) -> None:
    """Put this folder first in PYTHONPATH, unless the program has taken it away."""
    entries = environ.get("PYTHONPATH", "").split(os.pathsep)
    if _FOLDER in entries:
        environ["PYTHONPATH"] = os.pathsep.join([_FOLDER, *(entry for entry in entries if entry != _FOLDER)])


def _follow_executions() -> None:
    """Put this folder first before this process is replaced; all of `os.exec*` call one of these two functions."""
    execv, execve = os.execv, os.execve

    @functools.wraps(execv)
    def put_first_and_execute(path: Any, args: Any) -> Any:
        _put_first(os.environ)
        return execv(path, args)

    @functools.wraps(execve)
    def put_first_and_execute_with(path: Any, args: Any, env: Any) -> Any:
        with contextlib.suppress(TypeError, ValueError, AttributeError):  # for `execve` to report
            env = dict(env)
            _put_first(env)
        return execve(path, args, env)

    os.execv, os.execve = put_first_and_execute, put_first_and_execute_with  # type: ignore[assignment]


_this = sys.modules.pop("sitecustomize", None)
sys.path = [entry for entry in sys.path if entry != _FOLDER]
try:
    with contextlib.suppress(ModuleNotFoundError):
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
finally:
    if _this is not None:
        sys.modules.setdefault("sitecustomize", _this)  # the import that is going on needs it
    # Another environment's Python may not have it, or be too old for it, or have another package of this name.
    with contextlib.suppress(ImportError, SyntaxError, AttributeError):
        import autolog

        autolog.patch()
        _put_first(os.environ)
        _follow_executions()
