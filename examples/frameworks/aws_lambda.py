"""AWS Lambda: the process is frozen when the handler returns, so records are flushed before that.

Set AUTOLOG_ENDPOINT and AUTOLOG_API_KEY for the function. Only /tmp is writable, so the journal goes there.
"""

import openai

from autolog import autolog

autolog.configure(journal="/tmp/autolog-journal.db")
autolog.patch_openai()
client = openai.OpenAI()


def handler(event: dict, context: object) -> dict:  # noqa: ARG001 - AWS's signature
    try:
        with autolog.context(user=event.get("user"), tags=["lambda"]), autolog.span("handler", kind="chain"):
            messages = [{"role": "user", "content": event["question"]}]
            answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
            return {"statusCode": 200, "body": answer.choices[0].message.content}
    finally:
        autolog.flush(timeout=2)  # records not delivered in time wait in the journal


if __name__ == "__main__":
    print(handler({"user": "user:42", "question": "What is the capital of Portugal?"}, None))
