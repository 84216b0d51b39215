"""uvicorn: every worker imports this module, and so patches. Run: uvicorn --workers 2 uvicorn_workers:app"""

import openai
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from autolog import autolog

autolog.patch_openai()


@autolog(kind="chain")
async def capital(request: Request) -> StreamingResponse:
    """Stream an answer; calls made after this function has returned are still in the request's trace."""
    messages = [{"role": "user", "content": "What is the capital of Portugal?"}]
    with autolog.context(user=request.query_params["user"]):
        stream = await openai.AsyncOpenAI().chat.completions.create(
            model="gpt-4o-mini", messages=messages, stream=True, stream_options={"include_usage": True}
        )
    return StreamingResponse(
        (chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices), media_type="text/plain"
    )


app = Starlette(routes=[Route("/capital", capital)])

if __name__ == "__main__":  # run the command above, send one request, and stop it
    import signal
    import socket
    import subprocess
    import sys
    from pathlib import Path
    from urllib.request import urlopen

    with socket.create_server(("127.0.0.1", 0)) as listening:  # passed to uvicorn, to avoid guessing a free port
        server = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--log-level", "error", "--app-dir", str(Path(__file__).parent),
             "--fd", str(listening.fileno()), "uvicorn_workers:app"],
            pass_fds=[listening.fileno()],
        )  # fmt: skip
        with urlopen(f"http://127.0.0.1:{listening.getsockname()[1]}/capital?user=user:42", timeout=60) as answer:
            print(answer.read().decode())
        server.send_signal(signal.SIGTERM)
        server.wait(30)
