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
    interpreter = None if module else _interpreter(program)
    if interpreter is not None:
        _patch_children(os.environ)
        os.execv(interpreter, [program, *arguments])  # noqa: S606 - the program that the user named
    if not module:
        program = _file_of(program)
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


def _interpreter(program: str) -> str | None:
    """Return the path of our environment's Python if a program is that, as in `autolog run python app.py`."""
    command = shutil.which(program)
    if command is None or not Path(command).name.startswith("python"):
        return None
    return command if Path(command).parent.samefile(Path(sys.executable).parent) else None


def _file_of(program: str) -> str:
    """Return the file of a program that is given by its path, or by its name on PATH as a command of our environment.

    Raises:
        click.ClickException: if there is none, or if the command belongs to another Python or to none.
    """
    if Path(program).is_file():
        return program
    command = shutil.which(program)
    if command is None:
        raise click.ClickException(f"there is no file or command {program}")
    with Path(command).open("rb") as file:
        head = file.read(512)  # names the interpreter in its first line, or in its second if the path is long
    if os.fsencode(Path(sys.executable).parent) in head or head.startswith(b"#!/usr/bin/env python"):
        return command
    raise click.ClickException(
        f"{command} does not run with the Python of this autolog, {sys.executable}. "
        "If it is a Python program, install autolog-llm in its environment and use the `autolog` there."
    )


def _patch_children(environ: MutableMapping[str, str]) -> None:
    """Make the Python processes that get this environment patch themselves, and log to where this process does."""
    folder = str(Path(__file__).parent / "_children")
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, environ.get("PYTHONPATH")]))
    environ["AUTOLOG_STORE"] = absolute_url(environ.get("AUTOLOG_STORE") or DEFAULT_STORE)
    journal = environ.get("AUTOLOG_JOURNAL")
    if journal or os.access(".", os.W_OK):  # else the default journal is in the temporary folder
        environ["AUTOLOG_JOURNAL"] = str(absolute(Path(journal or DEFAULT_JOURNAL)))
