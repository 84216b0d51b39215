"""`autolog skill`, and the documentation of the commands' JSON: both agree with the commands."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from commands import output
from prompts import call, openai_body

import autolog
from autolog.cli import COMMANDS
from autolog.cli.sql import VIEWS
from autolog.stores import open_store
from autolog.stores._contract import Store

PAGE = (Path(autolog.__file__).parent / "cli/JSON.md").read_text()


def test_the_skill_has_a_head_and_names_only_commands_that_there_are() -> None:
    skill = output("skill")
    head = re.match(r"---\nname: autolog\ndescription: .{50,1024}\n---\n", skill)
    assert head is not None
    assert set(re.findall(r"`autolog (\w+)", skill)) <= COMMANDS.keys()
    assert all(f"- `{view}`: " in skill for view in VIEWS)


def test_its_statements_are_answered(tmp_path: Path) -> None:
    store = open_store("sqlite:///.autolog/logs.db")
    store.write([call(openai_body(), id="ID")])
    statements = re.findall(r'autolog sql "(select [^.].+)"\n', output("skill"))
    assert len(statements) == 3
    for statement in statements:
        output("sql", statement)


def test_llms_txt_names_every_command() -> None:
    index = output("skill", "--llms-txt")
    assert index.startswith("# autolog\n\n> ")
    assert all(f"- `autolog {name}`: " in index for name in COMMANDS)


def _commands_with_json() -> set[str]:
    found = set()
    for name, (module, _) in COMMANDS.items():
        command: Any = getattr(importlib.import_module(f"autolog.cli.{module}"), module)
        for path, candidate in [
            (name, command),
            *((f"{name} {sub}", c) for sub, c in getattr(command, "commands", {}).items()),
        ]:
            if any("--json" in option.opts for option in candidate.params if isinstance(option, click.Option)):
                found.add(path)
    return found


def test_the_page_has_every_command_that_prints_json() -> None:
    entries = re.findall(r"^- ((?:`[a-z ]+`(?:, )?)+):", PAGE, re.MULTILINE)
    assert {name for entry in entries for name in re.findall(r"`([a-z ]+)`", entry)} == _commands_with_json()


@pytest.fixture
def logged() -> Store:
    broken = openai_body(2)
    broken["tools"][0]["function"]["description"] = "x"
    opened = open_store("sqlite:///.autolog/logs.db")
    opened.write([call(openai_body(1), id="one"), call(broken, at=30, id="two")])
    return opened


@pytest.mark.parametrize(
    "arguments",
    [
        ("cache", "--misses"), ("diff", "one", "two"), ("doctor",), ("env", "claude-code", "--endpoint", "http://h", "--key", "k"),
        ("reprice", "--dry-run"), ("sql", "--views"), ("stats",),
    ],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_every_key_stands_on_the_page(logged: Store, arguments: tuple[str, ...]) -> None:
    printed = json.loads(output(*arguments, "--json").splitlines()[0])
    entry = PAGE.partition(f"- `{arguments[0]}`")[2].partition("\n- ")[0]
    keys = set(printed)
    for name in ("total", "causes", "misses"):
        nested = printed.get(name) if arguments[0] == "cache" else None
        keys |= set(nested[0] if isinstance(nested, list) else nested or ())
    assert [key for key in sorted(keys) if f"`{key}`" not in entry] == []


def test_records_have_all_their_fields(logged: Store) -> None:
    from autolog._record.record import BODIES, FIELDS

    assert json.loads(output("logs", "--json").splitlines()[0]).keys() == set(FIELDS) - set(BODIES)
    assert json.loads(output("show", "one", "--json")).keys() == set(FIELDS)
