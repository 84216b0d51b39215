"""Cloudflare AI Gateway: reading, feedback and deletion. A gateway corresponds to a project."""

from __future__ import annotations

from autolog._record.record import Record
from autolog.dialects import cloudflare as dialect
from autolog.dialects._convert import format_time
from autolog.dialects._fault import Fault, Json
from autolog.dialects._schema import validate
from autolog.server._call import Call, Parameter, Reply, Route
from autolog.server._keys import ANY_PROJECT
from autolog.stores.query import Query


def _project(call: Call) -> str:
    """Return the project for a gateway id. As long as there is only one project, it is used for every id.

    Raises:
        Fault: 400, if the id is too long; 404, if there is no such project that the key may see.
    """
    gateway = call.path["gateway_id"]
    if not 1 <= len(gateway) <= 64:
        raise Fault(400, "gateway_id: has 1 to 64 characters")
    own, known = call.principal.project, call.services.keyring.projects
    if gateway == own or (own == ANY_PROJECT and gateway in known):
        return gateway
    if len(known) == 1:
        return call.project
    raise Fault(404, "there is no gateway with this id")


def _found(record: Record | None) -> Record:
    """Return the record; raise the fault of this API if there is none."""
    if record is None:
        raise Fault(404, "there is no log with this id")
    return record


def list_logs(call: Call) -> Reply:
    listing = dialect.Listing(call.query)
    query = listing.query.where(project=_project(call))
    total = call.store.count(query)
    offset = (listing.page - 1) * listing.per_page
    records = (
        call.store.find(query, listing.per_page, offset, listing.descending, listing.order_by) if offset < total else []
    )
    extremes = (
        call.store.extremes(query, ["cost", "duration", "tokens_in", "tokens_out", "tokens"])
        if listing.meta_info
        else None
    )
    rows = [dialect.encode_row(record) for record in records]
    return Reply(200, dialect.encode_result(rows, dialect.encode_info(listing, len(rows), total, extremes)))


def delete_logs(call: Call) -> Reply:
    order_by, descending = dialect.decode_order(call.parameters)
    limit = dialect.decode_limit(call.parameters)
    dialect.check_delete(call.query)
    filters = dialect.decode_filters(call.query)
    if not filters and not call.services.limits.delete_all:
        raise Fault(400, "this server does not delete without filters")
    query = Query({"project": _project(call)}, conditions=tuple(filters))
    call.write(lambda store: store.delete(query, limit, order_by, descending))
    return Reply(200, dialect.encode_result({"success": True}))


def get_log(call: Call) -> Reply:
    record = _found(call.store.get(call.path["id"], _project(call)))
    return Reply(200, dialect.encode_result(dialect.encode_detail(record)))


def patch_log(call: Call) -> Reply:
    project = _project(call)
    patch = validate(dialect.Patch, call.object())
    updated = call.write(
        lambda store: store.update(call.path["id"], project, lambda record: dialect.apply_patch(record, patch))
    )
    _found(updated)
    return Reply(200, dialect.encode_result({}))


def get_request(call: Call) -> Reply:
    record = _found(call.store.get(call.path["id"], _project(call)))
    return Reply(200, dialect.encode_payload(record.request_body))


def get_response(call: Call) -> Reply:
    record = _found(call.store.get(call.path["id"], _project(call)))
    return Reply(200, dialect.encode_payload(record.response_body))


def list_gateways(call: Call) -> Reply:
    own = call.principal.project
    names = sorted(call.services.keyring.projects if own == ANY_PROJECT else {own})
    info = {"page": 1, "per_page": max(20, len(names)), "count": len(names), "total_count": len(names)}
    page = call.parameter("page") or "1"
    rows = [_gateway(name, call) for name in names] if page == "1" else []
    return Reply(200, dialect.encode_result(rows, info))


def get_gateway(call: Call) -> Reply:
    return Reply(200, dialect.encode_result(_gateway(_project(call), call)))


def _gateway(name: str, call: Call) -> Json:
    records = call.store.find(Query({"project": name}), 1, newest_first=False)
    at = format_time(records[0].created_at) if records else "1970-01-01T00:00:00Z"
    return {
        "id": name, "account_id": call.path["account_id"], "created_at": at, "modified_at": at, "collect_logs": True,
        "cache_invalidate_on_update": False, "cache_ttl": 0, "rate_limiting_interval": 0, "rate_limiting_limit": 0,
        "rate_limiting_technique": "fixed",
    }  # fmt: skip


_TEXT = {"type": "string"}
_ORDER = (
    Parameter("order_by", {"type": "string", "enum": list(dialect.ORDERS)}),
    Parameter("order_by_direction", {"type": "string", "enum": ["asc", "desc"]}),
    Parameter("filters", {"type": "string", "description": "A JSON array of {key, operator, value}"}),
)
_PAGE = (
    Parameter("page", {"type": "integer", "minimum": 1}),
    Parameter("per_page", {"type": "integer", "minimum": 1, "maximum": dialect.MAX_PER_PAGE}),
    Parameter("search", _TEXT),
    Parameter("meta_info", {"type": "boolean"}),
    *(Parameter(name, _TEXT) for name in ("model", "provider", "start_date", "end_date")),
    *(Parameter(name, {"type": "boolean"}) for name in ("cached", "success")),
    *(Parameter(name, {"type": "number"}) for name in ("min_cost", "max_cost", "min_duration", "max_duration")),
)


def _routes(prefix: str) -> list[Route]:
    gateways = prefix + "/accounts/{account_id}/ai-gateway/gateways"
    logs = gateways + "/{gateway_id}/logs"
    return [
        Route("GET", logs, list_logs, dialect, "Cloudflare: list logs", "read", parameters=(*_PAGE, *_ORDER)),
        Route("DELETE", logs, delete_logs, dialect, "Cloudflare: delete logs", "admin",
              parameters=(Parameter("limit", {"type": "integer", "minimum": 1}), *_ORDER)),
        Route("GET", logs + "/{id}", get_log, dialect, "Cloudflare: one log", "read"),
        Route("PATCH", logs + "/{id}", patch_log, dialect, "Cloudflare: feedback, score and metadata",
              model=dialect.Patch),
        Route("GET", logs + "/{id}/request", get_request, dialect, "Cloudflare: a log's request", "read"),
        Route("GET", logs + "/{id}/response", get_response, dialect, "Cloudflare: a log's response", "read"),
        Route("GET", gateways, list_gateways, dialect, "Cloudflare: list gateways", "read"),
        Route("GET", gateways + "/{gateway_id}", get_gateway, dialect, "Cloudflare: one gateway", "read"),
    ]  # fmt: skip


ROUTES = [*_routes("/client/v4"), *_routes("")]
