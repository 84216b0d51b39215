"""Google Cloud Functions and Cloud Run: without "CPU always allocated" nothing runs between requests, so flush in each.

Deploy with `--entry-point=capital`; decorate it with `functions_framework.http`.
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
