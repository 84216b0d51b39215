"""The `autolog run` command."""

from __future__ import annotations

import runpy
import sys
import traceback
from pathlib import Path

import click

import autolog


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-m", "module", is_flag=True, help="The first argument is a module, as with `python -m`.")
@click.argument("program")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(module: bool, program: str, arguments: tuple[str, ...]) -> None:
    """Run a program with every installed SDK patched, without changing its code.

    \b
    autolog run app.py --port 8000
    autolog run -m uvicorn app:app
    """
    autolog.patch()
    sys.argv = [program, *arguments]
    if not module and not Path(program).is_file():
        raise click.ClickException(f"there is no file {program}")
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
