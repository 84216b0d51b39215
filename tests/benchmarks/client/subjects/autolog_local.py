"""autolog in its default configuration, with a local SQLite file."""

import os
import tempfile
from pathlib import Path

REQUIREMENTS = ["-e", f"{Path(__file__).parents[4]}"]


def begin(sink: str) -> None:
    global decorate, span, settle
    os.environ["AUTOLOG_STORE"] = f"sqlite:///{tempfile.mkdtemp()}/logs.db"
    import autolog

    autolog.patch_openai()
    autolog.patch_anthropic()
    decorate, span = autolog.autolog, autolog.span

    def settle() -> None:
        assert autolog.flush(60), autolog.status()
