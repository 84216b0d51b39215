"""The `autolog skill` command."""

from __future__ import annotations

import click

from autolog.cli import COMMANDS
from autolog.stores.sql import DESCRIPTIONS, VIEWS

_DESCRIPTION = (
    "Read the logs of LLM calls that a Python program made with autolog - find failed runs, what was said, what it "
    "cost, why the prompt cache missed. Use when an LLM call, an agent's run, its cost or its latency is in question."
)
_SKILL = """\
---
name: autolog
description: {description}
---

# Logs of LLM calls

`autolog` has recorded every call: the exact request and answer, tokens, dollars, timing, and the functions around it.
Each command has `--help`; with `--json` it prints JSON, one object per line.

Start with an overview, then look closer:

1. `autolog logs --errors --since 1d` or `autolog stats --by model --since 7d`: what is there. The end of an id is
   enough to name a record.
2. `autolog trace ID`: the run that a call was part of, as a tree.
3. `autolog show ID`: the whole conversation of one call; `--json` for its fields and bodies.
4. `autolog diff ID ID`: what changed between two calls.
5. `autolog cache --since 7d`: why prompts were not read from the provider's cache; `--misses` shows what changed.
6. `autolog sql "select ..."`: anything else, read-only, in SQLite's SQL.

`autolog replay ID` sends a request again and is billed: ask first. `autolog prune` and `autolog keys` change data.
Long conversations take many tokens: before `show`, ask sql for their sizes and for the messages that matter.

## Views for sql

{views}

    autolog sql "select id, error_message from calls where status = 'error' order by created_at desc limit 5"
    autolog sql "select name, count(*) from tool_calls group by 1 order by 2 desc"
    autolog sql "select side, role, substr(text, 1, 200) from messages where id = 'ID'"
"""

_LLMS = """\
# autolog

> Logs every LLM call of a Python program with one import and one line, and keeps them where it runs. The package is
> `autolog-llm`, the module and the command are `autolog`.

    import autolog
    autolog.patch()          # every installed SDK: openai, anthropic and others
    @autolog                 # records a function with what it calls

Records go to `.autolog/logs.db`, or to a server: `AUTOLOG_ENDPOINT`, `AUTOLOG_API_KEY`.

## Commands

{commands}

## Views for `autolog sql`

{views}

## For agents

- `autolog skill`: a skill file for coding agents.
- `autolog mcp`: a server of the Model Context Protocol on stdio; an autolog server has the same tools at `/mcp`.
"""


@click.command()
@click.option("--llms-txt", is_flag=True, help="Print llms.txt instead: a description of autolog for models.")
def skill(llms_txt: bool) -> None:
    """Print a skill file for coding agents: how to read the logs, and where to begin.

    \b
    autolog skill > .claude/skills/autolog/SKILL.md
    autolog skill --llms-txt > llms.txt
    """
    views = "\n".join(
        f"- `{view}`: {DESCRIPTIONS[view]} Columns: {', '.join(columns)}." for view, columns in VIEWS.items()
    )
    commands = "\n".join(f"- `autolog {name}`: {description}" for name, (_, description) in sorted(COMMANDS.items()))
    click.echo(
        (_LLMS if llms_txt else _SKILL).format(description=_DESCRIPTION, views=views, commands=commands), nl=False
    )
