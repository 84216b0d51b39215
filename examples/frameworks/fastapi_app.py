"""FastAPI: every record has the request's user, even for concurrent calls. Run: uvicorn fastapi_app:app"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import fastapi
import openai

from autolog import autolog

autolog.patch_openai()  # at import: every worker of uvicorn or gunicorn imports this module


@asynccontextmanager
async def lifespan(_: fastapi.FastAPI) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(autolog.flush)


app = fastapi.FastAPI(lifespan=lifespan)


async def ask(question: str) -> str:
    messages = [{"role": "user", "content": question}]
    async with openai.AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="gpt-4o-mini", messages=messages)
    return answer.choices[0].message.content or ""


@app.get("/capitals")
async def capitals(user: str) -> list[str]:
    with autolog.context(user=user, tags=["web"]), autolog.span("GET /capitals", kind="chain"):
        return await asyncio.gather(*(ask(f"What is the capital of {place}?") for place in ("Portugal", "Spain")))


if __name__ == "__main__":
    from fastapi.testclient import TestClient

    with TestClient(app) as browser:
        print(browser.get("/capitals", params={"user": "user:42"}).json())
