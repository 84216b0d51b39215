"""A batch job: many concurrent calls in one trace, with a limit in dollars, and a flush at the end."""

import asyncio

import openai

from autolog import autolog


class TooExpensiveError(Exception):
    """The job has reached its budget."""


autolog.configure(budgets=[{"limit": 5, "per": "day", "tag": "capitals", "then": TooExpensiveError}])
autolog.patch_openai()


async def main() -> None:
    places = asyncio.Semaphore(4)

    async def capital(client: openai.AsyncOpenAI, place: str) -> str:
        async with places:
            messages = [{"role": "user", "content": f"What is the capital of {place}?"}]
            answer = await client.chat.completions.create(model="gpt-4o-mini", messages=messages)
            return answer.choices[0].message.content or ""

    with autolog.context(user="user:42", tags=["capitals"]), autolog.span("job", kind="chain"):
        async with openai.AsyncOpenAI() as client:
            print(await asyncio.gather(*(capital(client, place) for place in ("Portugal", "Spain", "France"))))


asyncio.run(main())
if not autolog.shutdown(timeout=30):
    raise SystemExit(f"not everything was written: {autolog.status()}")
