"""Patch a Python process that a program under `autolog run` has started: Python imports this when it starts.

The environment may have a `sitecustomize` of its own, which is imported first, as it would be without this one.
"""

import contextlib
import sys
from pathlib import Path

_this = sys.modules.pop("sitecustomize", None)
sys.path = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
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
