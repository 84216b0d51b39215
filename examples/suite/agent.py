"""A small agent: ask a model, run the tool that it calls, and have another model summarise the answer."""

import json

import anthropic
import openai

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


def get_weather(city: str) -> str:
    return f"Sunny in {city}, 21 degrees."


def answer(question: str) -> str:
    client = openai.OpenAI()
    messages: list = [{"role": "user", "content": question}]
    while True:
        message = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=TOOLS).choices[0].message
        if not message.tool_calls:
            return message.content or ""
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            result = get_weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def headline(text: str) -> str:
    with anthropic.Anthropic().messages.stream(
        model="claude-haiku-4-5", max_tokens=100, messages=[{"role": "user", "content": f"A headline for: {text}"}]
    ) as stream:
        return stream.get_final_text()
