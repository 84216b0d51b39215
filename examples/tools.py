"""Make a trace of functions and spans around calls. Show it with: autolog trace ID"""

import json

import openai

from autolog import autolog

autolog.patch_openai()
client = openai.OpenAI()

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@autolog(kind="tool")
def get_weather(city: str) -> str:
    return f"sunny in {city}"


@autolog
def answer(question: str) -> str:
    messages = [{"role": "user", "content": question}]
    with autolog.span("first round", kind="chain"):
        message = (
            client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[WEATHER]).choices[0].message
        )
    messages.append(message.model_dump(exclude_none=True))
    for call in message.tool_calls or []:
        result = get_weather(**json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    final = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
    return final.choices[0].message.content or ""


print(answer("What should I wear in Lisbon today?"))
