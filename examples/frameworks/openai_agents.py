"""OpenAI Agents: calls go through the openai SDK, so the framework's own tracing to OpenAI may be off."""

from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from openai import AsyncOpenAI

from autolog import autolog

autolog.patch()
set_tracing_disabled(True)
model = OpenAIChatCompletionsModel(model="gpt-4o-mini", openai_client=AsyncOpenAI())

with autolog.context(user="user:42"), autolog.span("agent", kind="agent"):
    print(Runner.run_sync(Agent("guide", model=model), "What is the capital of Portugal?").final_output)
