"""The Model Context Protocol at `/mcp`, through which agents read the logs of their key's project.

Implements streamable HTTP without its optional parts: every POST is answered at once with JSON, and there are no
sessions. There is no tool to replay calls, which would use the operator's provider keys.
"""

from __future__ import annotations

from autolog._display import mcp
from autolog._display.tools import Logs
from autolog._version import __version__
from autolog.dialects import native
from autolog.server._call import Call, Reply, Route
from autolog.stores import sql
from autolog.stores.lookup import find_by_part, with_whole_trace
from autolog.stores.query import Query


def answer(call: Call) -> Reply:
    """Answer an MCP message; a notification, which has no answer, gets 202."""
    project = Query({"project": call.project})
    logs = Logs(
        store=call.store,
        project=call.project,
        find_by_part=lambda part: find_by_part(call.store, part, project),
        with_whole_trace=lambda query: with_whole_trace(call.store, query),
        select=lambda statement, query, rows: sql.select(call.store, statement, query, rows=rows),
    )
    response = mcp.reply(call.body, logs, __version__)
    return Reply(202, b"") if response is None else Reply(200, response)


ROUTES = [
    Route("POST", "/mcp", answer, native, "Model Context Protocol: tools for agents", "read", ok=(200, 202)),
]
