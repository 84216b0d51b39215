"""autolog's folders and files: created when needed, private to the user, and git-ignored."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

#: The name of autolog's folder in the program's working directory.
NAME = ".autolog"


def absolute(path: Path) -> Path:
    """Return an absolute path; unchanged if the working directory is gone, so that the error surfaces on opening."""
    try:
        return path.absolute()
    except OSError:
        return path


def absolute_url(url: str) -> str:
    """Return a store's URL with an absolute path, so that it stays valid if the working directory changes."""
    path = url.removeprefix(_FILE)
    return _FILE + str(absolute(Path(path))) if url.startswith(_FILE) and path else url


_FILE = "sqlite:///"


def make_folder(folder: Path) -> None:
    """Create a folder that only this user may enter, and parents that are missing likewise, unless it exists.

    Raises:
        OSError: if the folder cannot be created.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.name == NAME:  # logs contain prompts, and do not belong in a repository
        (folder / ".gitignore").write_text("*\n")


def make_private(path: Path) -> None:
    """Create an empty file that only this user may read and write, unless it exists, because logs contain prompts.

    A file that exists is not opened: closing it would release the locks that SQLite holds on it for this process, and
    other processes would then remove its write-ahead log (https://sqlite.org/howtocorrupt.html, section 2.2).

    Raises:
        OSError: if the file cannot be created.
    """
    target = os.path.realpath(path)  # a link may lead to where there is nothing yet
    try:
        os.mknod(target, stat.S_IFREG | 0o600)  # without opening it: another thread may be faster, and lock it
    except FileExistsError:
        return
    except (OSError, AttributeError):  # not on Windows, only for root on macOS, and not on every file system
        with contextlib.suppress(FileExistsError):
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def fallback_folder(make: bool) -> Path:
    """Return a private folder in the temporary directory, for a program whose working directory is read-only.

    Args:
        make: create the folder if it does not exist.

    Raises:
        OSError: if the folder cannot be created, or belongs to another user.
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
