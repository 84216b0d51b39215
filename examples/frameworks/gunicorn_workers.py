"""gunicorn: patched once before the workers are forked. Run: gunicorn --preload --workers 2 gunicorn_workers:app"""

from collections.abc import Callable, Iterable
from typing import Any

import openai

from autolog import autolog

autolog.patch_openai()  # nothing else is needed: a forked worker has threads of its own, and flushes when it ends


@autolog(kind="chain")
def capital(user: str) -> str:
    messages = [{"role": "user", "content": "What is the capital of Portugal?"}]
    with autolog.context(user=user):
        answer = openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=messages)
    return answer.choices[0].message.content or ""


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [("content-type", "text/plain; charset=utf-8")])
    return [capital(environ["QUERY_STRING"]).encode()]


if __name__ == "__main__":  # what the command above does, asked once and stopped
    import signal
    import socket
    import subprocess
    import sys
    from pathlib import Path
    from urllib.request import urlopen

    with socket.create_server(("127.0.0.1", 0)) as listening:  # given to gunicorn, so that no port is guessed
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--log-level", "error",
             "--pythonpath", str(Path(__file__).parent), f"--bind=fd://{listening.fileno()}", "gunicorn_workers:app"],
            pass_fds=[listening.fileno()],
        )  # fmt: skip
        with urlopen(f"http://127.0.0.1:{listening.getsockname()[1]}/?user:42", timeout=60) as answer:
            print(answer.read().decode())
        server.send_signal(signal.SIGTERM)
        sys.exit(server.wait(30))
