"""autolog, shipping to a server."""

import sys
from pathlib import Path

REQUIREMENTS = ["-e", f"{Path(__file__).parents[4]}[ship]"]


def begin(sink: str) -> None:
    global decorate, span, settle
    import autolog

    autolog.configure(endpoint=sink, api_key="k", journal="")
    autolog.patch_openai()
    autolog.patch_anthropic()
    decorate, span = autolog.autolog, autolog.span

    def settle() -> None:
        assert autolog.flush(60), autolog.status()


sys.modules.pop("autolog", None)
