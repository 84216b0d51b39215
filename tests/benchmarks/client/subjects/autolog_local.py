"""autolog as it comes: into a local SQLite file."""

import tempfile
from pathlib import Path

REQUIREMENTS = ["-e", f"{Path(__file__).parents[4]}"]


def begin(sink: str) -> None:
    global decorate, span, settle
    import autolog

    autolog.configure(store=f"sqlite:///{tempfile.mkdtemp()}/logs.db")
    autolog.patch_openai()
    autolog.patch_anthropic()
    decorate, span = autolog.autolog, autolog.span

    def settle() -> None:
        assert autolog.flush(60), autolog.status()
