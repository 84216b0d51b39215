"""gunicorn: patch once, before workers are forked. Run: gunicorn --preload --workers 2 gunicorn_workers:app"""

from collections.abc import Callable, Iterable
from typing import Any

import openai

from autolog import autolog

autolog.patch_openai()  # enough: a forked worker starts its own threads, and flushes when it exits


@autolog(kind="chain")
def capital(user: str) -> str:
    messages = [{"role": "user", "content": "What is the capital of Portugal?"}]
    with autolog.context(user=user):
        answer = openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=messages)
    return answer.choices[0].message.content or ""


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [("content-type", "text/plain; charset=utf-8")])
    return [capital(environ["QUERY_STRING"]).encode()]


if __name__ == "__main__":  # run the command above, send one request, and stop it
    import signal
    import socket
    import subprocess
    import sys
    from pathlib import Path
    from urllib.request import urlopen

    with socket.create_server(("127.0.0.1", 0)) as listening:  # passed to gunicorn, to avoid guessing a free port
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--log-level", "error",
             "--pythonpath", str(Path(__file__).parent), f"--bind=fd://{listening.fileno()}", "gunicorn_workers:app"],
            pass_fds=[listening.fileno()],
        )  # fmt: skip
        with urlopen(f"http://127.0.0.1:{listening.getsockname()[1]}/?user:42", timeout=60) as answer:
            print(answer.read().decode())
        server.send_signal(signal.SIGTERM)
        sys.exit(server.wait(30))
