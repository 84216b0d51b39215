"""Our folders: made when needed, git-ignored, and private to the user in shared locations."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

#: The name of our folder in the program's working directory.
NAME = ".autolog"


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, unless it exists.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if folder.name == NAME:  # logs hold prompts: they do not belong in a repository
        (folder / ".gitignore").write_text("*\n")


def fallback_folder() -> Path:
    """Return a private folder in the temporary directory, for a program whose own directory cannot be written.

    Raises:
        OSError: it cannot be made, or belongs to another user.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"autolog-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and (found.st_uid != user or found.st_mode & 0o077)):
        raise PermissionError(f"{folder} is not a private folder of this user")
    return folder
