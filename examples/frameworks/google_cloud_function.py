"""Google Cloud Functions and Cloud Run: unless "CPU always allocated" is on, flush before each request ends.

Decorate the function with `functions_framework.http`, and deploy with `--entry-point=capital`.
"""

import openai

from autolog import autolog

autolog.configure(journal="/tmp/autolog-journal.db")
autolog.patch_openai()
client = openai.OpenAI()


def capital(request: object) -> str:
    user = getattr(request, "args", {}).get("user")
    try:
        with autolog.context(user=user, tags=["function"]), autolog.span("capital", kind="chain"):
            messages = [{"role": "user", "content": "What is the capital of Portugal?"}]
            answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
            return answer.choices[0].message.content or ""
    finally:
        autolog.flush(timeout=2)


if __name__ == "__main__":

    class Request:
        args = {"user": "user:42"}  # noqa: RUF012

    print(capital(Request()))
