"""The `autolog demo` command: run a small app through the real SDKs against a stand-in provider, and show its log."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import time
from typing import Any

import click

from autolog import autolog
from autolog._config import config_from
from autolog._display.figures import short_id
from autolog.cli._columns import record_lines
from autolog.cli._options import store_option
from autolog.cli._render import console, print_lines, table_width, trace_lines
from autolog.cli._standin import standin
from autolog.errors import AutologError
from autolog.stores import open_store
from autolog.stores.query import Query

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@click.command()
@store_option
def demo(store: str | None) -> None:
    """See it work: a small app against a stand-in provider. No key, no network.

    The app plans a trip: it looks something up, lets a model call a tool, streams two answers from two providers,
    and asks for a model that does not exist. All of it is logged like any program of yours.

    \b
    autolog demo && autolog ui
    """
    missing = [name for name in ("openai", "anthropic") if importlib.util.find_spec(name) is None]
    if missing:
        raise AutologError(f"the demo runs through the SDKs themselves: pip install {' '.join(missing)}")
    screen = console()
    if store:
        autolog.configure(store=store)
    opened = open_store(config_from({"store": store} if store else {}).store)
    opened.write([])  # fail before the app runs if the store cannot be written
    autolog.patch()
    screen.print("Running a small app against a stand-in provider on this machine ...", style="dim")
    with standin() as address:
        app = App(address)
        with autolog.context(user="user:1", session="demo", tags=["demo"]), autolog.span("demo") as span:
            app.plan_trip("Lisbon", days=2)
    autolog.flush()
    records = opened.find(Query({"trace_id": span.trace_id}), 100, newest_first=False)
    screen.print()
    print_lines(screen, trace_lines(records, table_width(screen)))
    screen.print()
    print_lines(screen, record_lines([record for record in records if record.kind == "llm"], width=table_width(screen)))
    shown = next(record for record in records if record.kind == "llm")
    screen.print(f"{len(records)} records in {opened.url}. Next:\n", style="dim")
    for line in (
        "autolog logs",
        f"autolog show {short_id(shown.id)}",
        "autolog stats --by model",
        "autolog tail",
        "autolog ui",
    ):
        screen.print(f"  {line}", style="bold")
    screen.print("\nIn your own program:\n", style="dim")
    screen.print("  from autolog import autolog\n  autolog.patch()\n", style="bold")


class App:
    """An example of a user's program; only its base URLs refer to the stand-in."""

    def __init__(self, address: str) -> None:
        import anthropic
        import openai

        self.openai = openai.OpenAI(base_url=f"{address}/v1", api_key="demo", max_retries=0)
        self.anthropic = anthropic.Anthropic(base_url=address, api_key="demo", max_retries=0)

    @autolog
    def plan_trip(self, city: str, days: int = 1) -> str:
        """Ask for a plan, let the model call a tool, and stream the plan."""
        with autolog.span("retrieve", kind="retrieval", index="guides") as span:
            time.sleep(0.02)
            span.set(documents=3)
        messages: list[Any] = [{"role": "user", "content": f"Plan {days} days in {city}. What is the weather like?"}]
        answer = self.openai.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[WEATHER])  # type: ignore[list-item]
        message = answer.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls or []:
            arguments = json.loads(call.function.arguments)  # type: ignore[union-attr]
            messages.append({"role": "tool", "tool_call_id": call.id, "content": self.get_weather(**arguments)})
        plan = self.stream_plan(messages)
        packing = self.packing_list(plan)
        self.ask_in_vain()
        return f"{plan}\n{packing}"

    @autolog(kind="tool")
    def get_weather(self, city: str) -> str:
        """Return the weather; the tool that the model calls."""
        time.sleep(0.03)
        return f"sunny and 24 degrees in {city}"

    @autolog
    def stream_plan(self, messages: list[Any]) -> str:
        """Stream a chat completion."""
        stream = self.openai.chat.completions.create(
            model="gpt-4o-mini", messages=messages, stream=True, stream_options={"include_usage": True}
        )
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)

    @autolog
    def packing_list(self, plan: str) -> str:
        """Stream a message from the other provider."""
        with self.anthropic.messages.stream(
            model="claude-sonnet-5", max_tokens=200, messages=[{"role": "user", "content": plan}]
        ) as stream:
            return "".join(stream.text_stream)

    @autolog
    def ask_in_vain(self) -> None:
        """Make a call that fails."""
        import openai

        with contextlib.suppress(openai.NotFoundError):
            self.openai.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": "Hello?"}])
