"""Our folders and files: made when needed, private to the user, and git-ignored."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

#: The name of our folder in the program's working directory.
NAME = ".autolog"


def absolute(path: Path) -> Path:
    """Return a path from the root; as it is if the working directory is gone, so that only opening it fails."""
    try:
        return path.absolute()
    except OSError:
        return path


def absolute_url(url: str) -> str:
    """Return a store's URL with a path from the root, for a program that changes its working directory later."""
    path = url.removeprefix(_FILE)
    return _FILE + str(absolute(Path(path))) if url.startswith(_FILE) and path else url


_FILE = "sqlite:///"


def make_folder(folder: Path) -> None:
    """Make a folder that only this user may enter, and its parents, unless it exists.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.name == NAME:  # logs hold prompts: they do not belong in a repository
        (folder / ".gitignore").write_text("*\n")


def make_private(path: Path) -> None:
    """Make an empty file that only this user may read and write, unless it exists: logs hold prompts.

    Raises:
        OSError: it cannot be made.
    """
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def fallback_folder(make: bool) -> Path:
    """Return a private folder in the temporary directory, for a program whose own directory cannot be written.

    Raises:
        OSError: it cannot be made, or belongs to another user.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"autolog-{user}"
    if make:
        folder.mkdir(mode=0o700, exist_ok=True)
    elif not folder.exists():
        return folder
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and (found.st_uid != user or found.st_mode & 0o077)):
        raise PermissionError(f"{folder} is not a private folder of this user")
    return folder
