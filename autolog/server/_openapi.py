"""The OpenAPI document of all routes, generated from the table of routes."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from typing import Any

from autolog import dialects
from autolog._version import __version__
from autolog.dialects import native
from autolog.server._auth import KEY_HEADERS
from autolog.server._call import Parameter, Reply, Route

_ERRORS = {
    400: "The request is malformed", 401: "The key is missing or unknown", 403: "The key does not allow this",
    404: "Not found", 409: "The name is taken", 408: "The body did not arrive in time",
    413: "Too large", 415: "An unsupported content type or coding",
    422: "A field is missing or of the wrong type", 429: "Too many requests", 503: "Try again later",
    507: "The store has no space left",
}  # fmt: skip


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the routes."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {}
    for route in routes:
        path = re.sub(r"\{(\w+):path\}", r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "autolog",
            "version": __version__,
            "description": "LLM logs in these dialects: " + ", ".join(dialects.NAMES),
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                **{header: {"type": "apiKey", "in": "header", "name": header} for header in KEY_HEADERS},
            },
        },
    }


def _operation(route: Route, path: str, schemas: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {}}}
    done: dict[str, Any] = {content_type: {"schema": {}} for content_type in route.produces}
    responses: dict[str, Any] = {
        str(status): {"description": "Done", **({} if status == 204 else {"content": done})} for status in route.ok
    }
    responses |= {str(status): {"description": text, "content": content} for status, text in _ERRORS.items()}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "tags": [route.summary.partition(":")[0] if ":" in route.summary else "autolog"],
        "operationId": f"{route.method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', path)}",
        "responses": responses,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in re.findall(r"\{(\w+)\}", path)
        ]
        + [_parameter(parameter) for parameter in route.parameters],
    }
    if not route.open:
        operation["security"] = [{"bearer": []}, *({header: []} for header in KEY_HEADERS)]
    if route.model is not None:
        schema = route.model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[route.model.__name__] = schema
        reference = {"$ref": f"#/components/schemas/{route.model.__name__}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
    elif route.method in {"POST", "PUT", "PATCH"}:
        operation["requestBody"] = {"content": {"application/json": {"schema": {}}}}
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {"name": parameter.name, "in": "query", "required": parameter.required, "schema": parameter.schema}


DOCS_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>autolog API</title>
<style>
  :root { color-scheme: light dark }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  h2 { margin-top: 2rem } code { font: 13px ui-monospace, monospace } li { margin: .3rem 0 }
</style>
<h1>autolog API</h1>
<p>Every route needs a key, in <code>Authorization: Bearer</code> or in the vendor's own header.
The machine-readable document is <a href="openapi.json">openapi.json</a>.</p>
%s
</html>
"""


def docs_page(routes: Sequence[Route]) -> str:
    """Return a plain HTML page that lists all routes, by vendor."""
    groups: dict[str, list[Route]] = {}
    for route in routes:
        vendor = route.summary.partition(":")[0] if ":" in route.summary else "autolog"
        groups.setdefault(vendor, []).append(route)
    parts = []
    for vendor, members in groups.items():
        items = "".join(
            f"<li><code>{route.method} {route.path}</code> {route.summary.partition(': ')[2] or route.summary}</li>"
            for route in members
        )
        parts.append(f"<h2>{vendor}</h2><ul>{items}</ul>")
    return DOCS_PAGE % "".join(parts)


def routes(described: Sequence[Route]) -> list[Route]:
    """Return the routes of the OpenAPI document and of its page, each of which is generated when it is first read."""

    @functools.cache  # 60 ms, which no start of a server should wait for
    def openapi() -> Reply:
        return Reply(200, json.dumps(document(described)).encode())

    @functools.cache
    def page() -> Reply:
        return Reply(200, docs_page(described).encode(), "text/html; charset=utf-8")

    return [
        Route("GET", "/openapi.json", lambda _: openapi(), native, "This document", "read", open=True, quick=True),
        Route("GET", "/docs", lambda _: page(), native, "The same as a page", "read", open=True, quick=True),
    ]
