"""The `autolog run` command."""

from __future__ import annotations

import os
import runpy
import shutil
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path

import click

import autolog
from autolog._config import DEFAULT_JOURNAL, DEFAULT_STORE
from autolog._folders import absolute, absolute_url


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-m", "module", is_flag=True, help="The first argument is a module, as with `python -m`.")
@click.argument("program")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(module: bool, program: str, arguments: tuple[str, ...]) -> None:
    """Run a program with every installed SDK patched, without changing its code.

    The Python processes that it starts are patched, too.

    \b
    autolog run app.py --port 8000
    autolog run -m uvicorn app:app
    autolog run celery -A app worker
    autolog run python app.py
    """
    command = None if module else _command(program)
    if command is not None:
        _patch_children(os.environ)
        os.execv(command[0], [*command[1], *arguments])  # noqa: S606 - the program that the user named
    autolog.patch()
    _patch_children(os.environ)
    sys.argv = [program, *arguments]
    try:
        if module:
            sys.path.insert(0, str(Path.cwd()))
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            sys.path.insert(0, str(Path(program).resolve().parent))
            runpy.run_path(program, run_name="__main__")
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException:  # noqa: BLE001 - the program's own error, which ends it as without us
        traceback.print_exc()
        sys.exit(1)


def _command(program: str) -> tuple[str, list[str]] | None:
    """Return the executable and the first arguments for our environment's Python, or for a command that runs with it.

    Return None if the program is a file to run here, such as `app.py`.

    Raises:
        click.ClickException: if there is none, or if the command belongs to another Python or to none.
    """
    command = shutil.which(program)
    if command is not None and _is_python(command):
        return command, [program]
    if command is not None and _is_ours(command):
        return sys.executable, [sys.executable, command]
    if Path(program).is_file():
        return None
    if command is None:
        raise click.ClickException(f"there is no file or command {program}")
    raise click.ClickException(
        f"{command} does not run with the Python of this autolog, {sys.executable}. "
        "If it is a Python program, install autolog-llm in its environment and use the `autolog` there."
    )


def _is_python(command: str) -> bool:
    """Return whether a command is our environment's Python."""
    path = Path(command)
    return path.name.startswith("python") and path.parent.samefile(Path(sys.executable).parent)


def _is_ours(command: str) -> bool:
    """Return whether a command is a script that names our environment's Python, or whichever comes first on PATH."""
    with Path(command).open("rb") as file:
        head = file.read(512)  # names the interpreter in its first line, or in its second if the path is long
    return os.fsencode(Path(sys.executable).parent) in head or head.startswith(b"#!/usr/bin/env python")


def _patch_children(environ: MutableMapping[str, str]) -> None:
    """Make the Python processes that get this environment patch themselves, and log to where this process does."""
    folder = str(Path(__file__).parent / "_children")
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, environ.get("PYTHONPATH")]))
    environ["AUTOLOG_STORE"] = absolute_url(environ.get("AUTOLOG_STORE") or DEFAULT_STORE)
    journal = environ.get("AUTOLOG_JOURNAL")
    if journal or os.access(".", os.W_OK):  # else the default journal is in the temporary folder
        environ["AUTOLOG_JOURNAL"] = str(absolute(Path(journal or DEFAULT_JOURNAL)))
