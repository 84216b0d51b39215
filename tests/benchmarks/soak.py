"""Run an hour's load in minutes, and check that memory stays flat on client and server, and that every record arrives.

    python tests/benchmarks/soak.py [--records 36000] [--json]

A program makes the calls of an hour at five per second, as fast as they are processed, through the real openai SDK over
a simulated transport, and ships them to a real `autolog serve`, which is unavailable twice for a while. The resident
memory of both is measured throughout, and the last quarter of the run is compared with the second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import textwrap
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from faults.real import moody, program, resident, running
from live import KEY

CLIENT = """
import sys, time, autolog, openai
autolog.patch_openai()
http = getattr(openai._base_client, "httpx2", None) or openai._base_client.httpx
answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": [
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello there. " * 40}}],
    "usage": {"prompt_tokens": 900, "completion_tokens": 120, "total_tokens": 1020}}
client = openai.OpenAI(api_key="k", http_client=http.Client(
    transport=http.MockTransport(lambda r: http.Response(200, json=answer))))
messages = [{"role": "user", "content": "Say hello. " * 200}]
for number in range(int(sys.argv[1])):
    with autolog.context(user=f"u{number % 50}"), autolog.span("turn"):
        client.chat.completions.create(model="gpt-4o-mini", messages=messages)
    if number % 100 == 0:
        print(number, flush=True)
        while autolog.status()["queued"] > 1000: time.sleep(0.01)
while not autolog.flush(10): pass
status = autolog.status()
print("end", status["written"], status["dropped"], flush=True)
sys.stdin.readline()
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--records", type=int, default=36_000)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    calls = given.records // 2  # each call is inside a span, so makes two records
    with tempfile.TemporaryDirectory() as name, running(Path(name) / "server.db") as server, moody(server) as backend:
        text = textwrap.dedent(CLIENT).replace("sys.argv[1]", repr(str(calls)))
        process = program(text, Path(name), AUTOLOG_ENDPOINT=backend.url, AUTOLOG_API_KEY=KEY)
        assert process.stdout is not None
        started, rows = time.monotonic(), []
        for line in process.stdout:
            if line.startswith("end"):
                counts = line.split(maxsplit=2)
                break
            number = int(line)
            rows.append((number, resident(process.pid), server.memory()))
            share = number / calls
            backend.feel("500" if 0.30 < share < 0.36 else "refuse" if 0.60 < share < 0.66 else "well")
        took = time.monotonic() - started
        process.communicate("\n", timeout=60)
        kept = len(server.names())
    quarter = len(rows) // 4

    def level(column: int, first: int, last: int) -> float:
        return statistics.median(row[column] for row in rows[first:last]) / 2**20

    figures = {
        "records": kept, "seconds": round(took, 1), "written": int(counts[1]), "dropped": counts[2].strip(),
        "client MiB, second quarter": round(level(1, quarter, 2 * quarter), 1),
        "client MiB, last quarter": round(level(1, 3 * quarter, len(rows)), 1),
        "server MiB, second quarter": round(level(2, quarter, 2 * quarter), 1),
        "server MiB, last quarter": round(level(2, 3 * quarter, len(rows)), 1),
    }  # fmt: skip
    if given.json:
        print(json.dumps(figures))
    else:
        for label, value in figures.items():
            print(f"{label:32}{value}")
    flat = all(
        figures[f"{process_name} MiB, last quarter"] <= 1.2 * figures[f"{process_name} MiB, second quarter"] + 10
        for process_name in ("client", "server")
    )
    if kept != 2 * calls or not flat:
        sys.exit("memory grew, or records were lost")


if __name__ == "__main__":
    main()
