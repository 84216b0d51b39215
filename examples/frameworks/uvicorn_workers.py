"""uvicorn: each of its workers imports this module. Run: uvicorn --workers 2 uvicorn_workers:app"""

import openai
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from autolog import autolog

autolog.patch_openai()


@autolog(kind="chain")
async def capital(request: Request) -> StreamingResponse:
    """Stream an answer: what it sends after this function has returned is still in its trace."""
    messages = [{"role": "user", "content": "What is the capital of Portugal?"}]
    with autolog.context(user=request.query_params["user"]):
        stream = await openai.AsyncOpenAI().chat.completions.create(
            model="gpt-4o-mini", messages=messages, stream=True, stream_options={"include_usage": True}
        )
    return StreamingResponse(
        (chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices), media_type="text/plain"
    )


app = Starlette(routes=[Route("/capital", capital)])

if __name__ == "__main__":  # what the command above does, asked once and stopped
    import signal
    import socket
    import subprocess
    import sys
    from pathlib import Path
    from urllib.request import urlopen

    with socket.create_server(("127.0.0.1", 0)) as listening:  # given to uvicorn, so that no port is guessed
        server = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--log-level", "error", "--app-dir", str(Path(__file__).parent),
             "--fd", str(listening.fileno()), "uvicorn_workers:app"],
            pass_fds=[listening.fileno()],
        )  # fmt: skip
        with urlopen(f"http://127.0.0.1:{listening.getsockname()[1]}/capital?user=user:42", timeout=60) as answer:
            print(answer.read().decode())
        server.send_signal(signal.SIGTERM)
        server.wait(30)
