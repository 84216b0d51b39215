"""Programs that make calls until a budget stops them; one of them is killed meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

#: The cost of each call in dollars: 100 output tokens and 40 input tokens of gpt-4o.
COST = 0.0011

_PROGRAM = """
    import json, os, sys, time
    from concurrent.futures import ThreadPoolExecutor
    import openai
    from openai import _base_client
    import autolog
    http = getattr(_base_client, "httpx2", None) or _base_client.httpx
    charged = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    def answer(request):
        os.write(charged, b"x")
        time.sleep(0.02)
        usage = {"prompt_tokens": 40, "completion_tokens": 100, "total_tokens": 140}
        return http.Response(200, json={"object": "chat.completion", "model": "gpt-4o", "choices": [], "usage": usage})
    class Refused(Exception): ...
    options = json.loads(sys.argv[1])
    autolog.configure(**options, budgets=[{**json.loads(sys.argv[3]), "then": Refused}])
    autolog.patch_openai()
    client = openai.OpenAI(api_key="k", max_retries=0, http_client=http.Client(transport=http.MockTransport(answer)))
    def ask(_):
        try:
            client.chat.completions.create(model="gpt-4o", max_tokens=100, messages=[{"role": "user", "content": "Hi"}])
        except Refused:
            pass
    print("ready", flush=True)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(ask, range(50)))
    autolog.flush()
    print(json.dumps(autolog.status()["budgets"]), flush=True)
"""


def spend(folder: Path, options: dict[str, Any], budget: dict[str, Any]) -> tuple[int, list[Any]]:
    """Run four programs of 50 calls each under a budget, and kill the first one once it has begun to call.

    Returns:
        The total number of calls, and the budget status of each of the other three programs.
    """
    charged = folder / "charged"
    command = [sys.executable, "-c", textwrap.dedent(_PROGRAM), json.dumps(options), str(charged), json.dumps(budget)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert started[0].stdout is not None
    started[0].stdout.readline()
    time.sleep(0.1)
    os.kill(started[0].pid, signal.SIGKILL)
    outputs = [process.communicate(timeout=60)[0].splitlines() for process in started]
    return len(charged.read_bytes()), [json.loads(lines[-1]) for lines in outputs[1:]]
