"""Record the user of every call in a web service, including calls made on other threads."""

from concurrent.futures import ThreadPoolExecutor

import anthropic

from autolog import autolog

autolog.patch_anthropic()
client = anthropic.Anthropic()
pool = ThreadPoolExecutor(4)


@autolog
def ask(question: str) -> str:
    message = client.messages.create(
        model="claude-sonnet-5", max_tokens=200, messages=[{"role": "user", "content": question}]
    )
    return "".join(block.text for block in message.content if block.type == "text")


def handle_request(user: str, questions: list[str]) -> list[str]:
    """Handle a request as a view of your web framework might."""
    context = autolog.context(user=user, session=f"{user}-1", tags=["web"], metadata={"plan": "pro"})
    with context, autolog.span("request", kind="chain"):
        return list(pool.map(ask, questions))


for answer in handle_request("user:42", ["What is the capital of Portugal?", "And of Spain?"]):
    print(answer)
