"""Celery: a trace continues in the worker. Run: celery -A celery_tasks worker"""

import celery
import openai

from autolog import autolog

autolog.patch_openai()  # in the tasks' module, which every worker process imports
app = celery.Celery("celery_tasks", broker="memory://")


@app.task
def capital(place: str, user: str, traceparent: str | None) -> str:
    with autolog.context(user=user, tags=["batch"], traceparent=traceparent), autolog.span("capital", kind="chain"):
        messages = [{"role": "user", "content": f"What is the capital of {place}?"}]
        answer = openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=messages)
        return answer.choices[0].message.content or ""


if __name__ == "__main__":
    app.conf.task_always_eager = True  # run tasks in this process instead of a worker
    with autolog.context(user="user:42"), autolog.span("order"):
        print(capital.delay("Portugal", "user:42", autolog.traceparent()).get())
