"""AWS Lambda: the process is frozen when the handler returns, so what it logged is sent before.

Set AUTOLOG_ENDPOINT and AUTOLOG_API_KEY of the function; only /tmp can be written, so the journal is there.
"""

import openai

from autolog import autolog

autolog.configure(journal="/tmp/autolog-journal.db")
autolog.patch_openai()
client = openai.OpenAI()


def handler(event: dict, context: object) -> dict:  # noqa: ARG001 - as AWS calls it
    try:
        with autolog.context(user=event.get("user"), tags=["lambda"]), autolog.span("handler", kind="chain"):
            messages = [{"role": "user", "content": event["question"]}]
            answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
            return {"statusCode": 200, "body": answer.choices[0].message.content}
    finally:
        autolog.flush(timeout=2)  # what a server does not take in time waits in the journal


if __name__ == "__main__":
    print(handler({"user": "user:42", "question": "What is the capital of Portugal?"}, None))
