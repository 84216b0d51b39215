"""Log a call with one import and one line. Then run: autolog logs"""

import openai

from autolog import autolog

autolog.patch_openai()

client = openai.OpenAI()
answer = client.chat.completions.create(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "Name three rivers in Portugal."}],
)
print(answer.choices[0].message.content)
