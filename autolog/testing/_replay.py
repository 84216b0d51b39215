"""Replay recorded calls instead of using the network, inside a block."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from autolog._display.cassettes import read_calls, write_cassette
from autolog._record.record import Record
from autolog.errors import AutologError
from autolog.testing._capture import capture, tap
from autolog.testing._libraries import answered
from autolog.testing._tape import NotRecorded, Tape

#: Hosts at which a test's own servers usually listen.
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Replay:
    """The state of a `replay` block.

    Attributes:
        recording: whether calls use the network because there is no cassette yet; it is written when the block ends.
    """

    def __init__(self, tape: Tape, recording: bool) -> None:
        self._tape = tape
        self.recording = recording
        self._discarded = False

    def check(self) -> None:
        """Raise an error if there was a request that had not been recorded, even if the program caught the error.

        Raises:
            NotRecorded: for the first such request.
        """
        if self._tape.unmatched:
            raise NotRecorded(self._tape.unmatched[0])

    def discard(self) -> None:
        """Do not write the cassette at the end of the block, for example because the test has failed."""
        self._discarded = True

    @property
    def played(self) -> list[Record]:
        """The recorded calls that have answered requests, in the order of those requests."""
        return list(self._tape.played)

    @property
    def left(self) -> list[Record]:
        """The recorded calls that have not answered any request."""
        return self._tape.left


@contextlib.contextmanager
def replay(
    source: str | Path,
    *,
    mode: Literal["strict", "once"] = "strict",
    repeat: bool = False,
    ignore: Sequence[str] = (),
    allow: Sequence[str] = LOOPBACK,
    **filters: Any,
) -> Iterator[Replay]:
    """Answer the calls inside the block from recorded calls, without using the network.

    Requests through httpx, httpx2, requests, aiohttp and botocore are intercepted, whichever SDK makes them. Each
    recorded call answers one request with the same method, URL and body (compared as JSON values, in any order of
    keys); equal requests get their responses in the recorded order. Streams arrive event by event, and failed calls
    fail in the same way, once for each recorded attempt.

    Args:
        source: a store's URL (`sqlite:///.autolog/logs.db`), a vcrpy cassette, or exported JSON lines.
        mode: `strict` only replays; `once` makes and records the calls if there is no cassette yet.
        repeat: let the last response to a request answer further equal requests, too.
        ignore: fields of JSON bodies that may differ, by name or by the end of their path: `metadata.run_id`.
        allow: hosts to which requests that were not recorded may be sent; by default, this machine.
        filters: filters for the calls of a store, as in commands: `session="s-1"`, `since="2d"`, `tag=["a", "b"]`.

    Raises:
        AutologError: if the source cannot be read.
        NotRecorded: if a request equals no recorded one; the message shows a diff with the most similar one. It is
            raised by the request and, if the program catches it there, again at the end of the block.
    """
    if mode not in {"strict", "once"}:
        raise AutologError(f"mode is strict or once, not {mode!r}")
    if mode == "once" and "://" not in str(source) and not Path(source).exists():
        with _recorded(Path(source)) as recording:
            yield recording
        return
    tape = Tape(read_calls(source, filters), ignore, repeat)

    def answer(request: Record) -> Record | None:
        url = request.request_url or ""
        if not tape.has_host(url) and urlsplit(url).hostname in allow:
            return None
        return tape.take(request)

    playing = Replay(tape, recording=False)
    with answered(answer):
        yield playing
    playing.check()


@contextlib.contextmanager
def _recorded(path: Path) -> Iterator[Replay]:
    """Record the calls of a block as a cassette, which is written if the block ends without an exception."""
    import autolog

    autolog.patch()
    recording = Replay(Tape([]), recording=True)
    with capture() as captured, tap(captured):
        yield recording
        calls = list(captured)
    if recording._discarded:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        write_cassette(calls, file)
