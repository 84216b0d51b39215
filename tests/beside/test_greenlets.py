"""gevent and eventlet, which make threads and locks cooperative, imported before autolog or at any time after."""

from __future__ import annotations

import importlib.util
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autolog.stores import open_store
from autolog.stores.query import Query

PROGRAM = """
import os, signal, sys
library, when, then = sys.argv[1:]

def cooperate(now):
    if now != when: return
    if library == "gevent":
        from gevent import monkey
        monkey.patch_all()
    else:
        import eventlet
        eventlet.monkey_patch()

cooperate("first")
import autolog
cooperate("after importing autolog")
autolog.patch_openai()
cooperate("after patching")
import openai
http = getattr(openai._base_client, "httpx2", None) or openai._base_client.httpx

def answer(request):
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": []}
    return http.Response(200, json=body)

client = openai.OpenAI(api_key="k", http_client=http.Client(transport=http.MockTransport(answer)))

def call():
    client.chat.completions.create(model="gpt-4o-mini", messages=[])
    return 1

call()
autolog.flush()
cooperate("after a call")
if library == "gevent":
    import gevent
    jobs = [gevent.spawn(call) for _ in range(20)]
    gevent.joinall(jobs)
    made = [job.value for job in jobs]
else:
    import eventlet
    pool = eventlet.GreenPool()
    made = list(pool.imap(lambda _: call(), range(20)))
import subprocess
print(sum(made), subprocess.run(["true"]).returncode, flush=True)
call()
if then == "flush":
    print(autolog.flush(5))
elif then == "SIGTERM":
    os.kill(os.getpid(), signal.SIGTERM)
    gevent.sleep(30) if library == "gevent" else eventlet.sleep(30)
"""


def need(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")


def run(tmp_path: Path, *arguments: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, *arguments],
        cwd=tmp_path, timeout=300, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert "Exception ignored" not in done.stderr
    return done.returncode, done.stdout.split()


def recorded(tmp_path: Path) -> int:
    store = open_store(f"sqlite:///{tmp_path}/.autolog/logs.db")
    count = store.count(Query())
    store.close()
    return count


@pytest.mark.parametrize("when", ["first", "after importing autolog", "after patching", "after a call"])
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_a_program_goes_on_and_every_call_is_kept(library: str, when: str, tmp_path: Path) -> None:
    need(library)
    started = time.monotonic()
    assert run(tmp_path, library, when, "flush") == (0, ["20", "0", "True"])
    assert time.monotonic() - started < 30
    assert recorded(tmp_path) == 22


@pytest.mark.parametrize("then", ["exit", "SIGTERM"])
def test_an_exit_and_a_sigterm_end_it_and_lose_nothing(then: str, tmp_path: Path) -> None:
    need("gevent")
    code, printed = run(tmp_path, "gevent", "after patching", then)
    assert (code, printed) == (0 if then == "exit" else -signal.SIGTERM, ["20", "0"])
    assert recorded(tmp_path) == 22


APPLICATION = """
import autolog, openai
autolog.patch()
http = getattr(openai._base_client, "httpx2", None) or openai._base_client.httpx
body = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": []}
transport = http.MockTransport(lambda request: http.Response(200, json=body))
client = openai.OpenAI(api_key="k", http_client=http.Client(transport=transport))
with autolog.span("loaded"):
    pass

def application(environ, start_response):
    client.chat.completions.create(model="gpt-4o-mini", messages=[])
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"done"]
"""


def ask(bound: Path) -> str:
    """Return the answer of a server at a Unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(bound))
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode().rpartition("\r\n\r\n")[2]


def test_gunicorn_with_gevent_and_a_preloaded_application(tmp_path: Path) -> None:
    need("gevent")
    need("gunicorn")
    (tmp_path / "preloaded.py").write_text(APPLICATION)
    bound = tmp_path / "socket"
    command = [sys.executable, "-W", "ignore", "-m", "gunicorn", "-k", "gevent", "--preload", "-b", f"unix:{bound}"]
    server = subprocess.Popen([*command, "preloaded:application"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 90
        answers: list[str] = []
        while len(answers) < 10 and time.monotonic() < deadline:
            try:
                answers.append(ask(bound))
            except OSError:  # the server is not listening yet
                time.sleep(0.2)
        assert answers == ["done"] * 10
    finally:
        server.terminate()
        server.wait(20)
    assert recorded(tmp_path) == 11
