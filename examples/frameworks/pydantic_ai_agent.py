"""pydantic-ai: calls go through the openai SDK, so patching it is enough."""

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel

from autolog import autolog

autolog.patch()
agent = Agent(OpenAIChatModel("gpt-4o-mini"), instructions="Be brief.")

with autolog.context(user="user:42"), autolog.span("agent", kind="agent"):
    print(agent.run_sync("What is the capital of Portugal?").output)
