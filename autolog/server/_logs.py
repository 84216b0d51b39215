"""The server's own log: requests, refusals and changes of keys, as plain lines or as JSON.

`autolog.server.access` logs each request (INFO). `autolog.server.audit` logs each request that was refused because of
its key (WARNING), and each change of keys, projects and alerts (INFO). `autolog.server.alerts` logs each alert that
fires or is resolved (WARNING). No line contains a query string, a key or a body.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from autolog._display.figures import safe

if TYPE_CHECKING:
    from starlette.requests import Request

access = logging.getLogger("autolog.server.access")
audit = logging.getLogger("autolog.server.audit")
alerts = logging.getLogger("autolog.server.alerts")
#: Refusals logged per second, and lines of uvicorn's; further ones are only counted, so that clients without a key
#: cannot fill the disk.
REFUSALS_PER_SECOND = 10


def set_up(level: str, as_json: bool) -> None:
    """Send the logs of the server and of uvicorn to standard error; audits and alerts are logged at any level."""
    for name in ("autolog", "uvicorn"):
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter() if as_json else TextFormatter("%(asctime)s %(levelname)s %(message)s"))
        if name == "uvicorn":  # which warns of each request that it cannot parse
            handler.addFilter(Sparing().pass_few)
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level.upper())
        logger.propagate = False
    audit.setLevel(logging.INFO)
    alerts.setLevel(logging.WARNING)


def note_change(key_id: str, words: str, **fields: str) -> None:
    """Log to the audit log that a key has changed something; `words` says what."""
    audit.info("key=%s %s", key_id, words, extra={"fields": {"key": key_id, **fields}})


class TextFormatter(logging.Formatter):
    """Formats a log record so that nothing in its message acts on a terminal, or passes for a line of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - a method of `logging.Formatter`
        record.message = safe(record.message.rstrip()).replace("\n", "\n  ")
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """Formats a log record as one line of JSON: `time`, `level`, `logger`, `message`, and any fields of a request."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class Sparing:
    """Lets a few lines of the same kind pass each second."""

    def __init__(self) -> None:
        self._second = 0.0
        self._passed = 0
        self._left_out = 0

    def next(self) -> tuple[bool, int]:
        """Return whether a line may be logged, and how many were left out since the last call that said so."""
        now, left_out = monotonic(), 0
        if now - self._second >= 1:
            left_out = self._left_out
            self._second, self._passed, self._left_out = now, 0, 0
        self._passed += 1
        if self._passed > REFUSALS_PER_SECOND:
            self._left_out += 1
            return False, 0
        return True, left_out

    def pass_few(self, record: logging.LogRecord) -> bool:
        """Filter the records of a handler; one that passes says how many were left out before it."""
        passes, left_out = self.next()
        if left_out:
            record.msg = f"{record.msg} ({left_out} more lines were left out before)"
        return passes


class RequestLog:
    """Logs the requests of one application."""

    def __init__(self) -> None:
        self._refusals = Sparing()

    @property
    def is_full(self) -> bool:
        """Whether every request is logged, and not only refusals."""
        return access.isEnabledFor(logging.INFO)

    def served(self, request: Request, status: int, seconds: float, key_id: str) -> None:
        """Log a request that was answered; `key_id` is empty if the request had no valid key."""
        refused = status in {401, 403, 429}
        if not refused and not self.is_full:
            return
        fields = {
            "client": request.client.host if request.client else "",
            "method": request.method,
            "path": request.url.path,
            "status": status,
            "seconds": round(seconds, 6),
            "key": key_id,
        }
        line = "%(client)s %(method)s %(path)r %(status)d %(seconds).3f s key=%(key)s"
        access.info(line, fields, extra={"fields": fields})
        if refused:
            passes, left_out = self._refusals.next()
            if left_out:
                audit.warning("%d more requests were refused", left_out)
            if passes:
                audit.warning("refused: " + line, fields, extra={"fields": fields})
