"""Flask: set a context around every request. Run: gunicorn flask_app:app"""

import flask
import openai

from autolog import autolog

autolog.patch_openai()  # also with gunicorn --preload: forked workers continue to log
app = flask.Flask(__name__)


@app.before_request
def enter() -> None:
    flask.g.scope = autolog.context(user=flask.request.args.get("user"), tags=["web"])
    flask.g.scope.__enter__()


@app.teardown_request
def leave(_: BaseException | None) -> None:
    flask.g.scope.__exit__(None, None, None)


@app.get("/capital")
@autolog(kind="chain")
def capital() -> str:
    messages = [{"role": "user", "content": "What is the capital of Portugal?"}]
    answer = openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=messages)
    return answer.choices[0].message.content or ""


if __name__ == "__main__":
    print(app.test_client().get("/capital?user=user:42").text)
