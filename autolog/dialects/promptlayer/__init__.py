"""PromptLayer: log-request, the tracker of wrapped clients, enrichment, and spans.

The format cannot express HTTP status and headers, cached tokens, finish reasons outside the output, and text ids.
"""

from __future__ import annotations

from autolog.dialects._convert import refused as refused
from autolog.dialects.promptlayer._decode import (
    decode_log_request as decode_log_request,
    decode_spans as decode_spans,
    decode_track as decode_track,
    decode_track_request as decode_track_request,
)
from autolog.dialects.promptlayer._encode import (
    encode_blueprint as encode_blueprint,
    encode_fault as encode_fault,
    encode_logged as encode_logged,
    encode_request as encode_request,
    encode_request_row as encode_request_row,
    encode_tracked as encode_tracked,
    is_fault as is_fault,
)
from autolog.dialects.promptlayer._models import (
    LogRequest as LogRequest,
    SpansBulk as SpansBulk,
    TrackGroup as TrackGroup,
    TrackMetadata as TrackMetadata,
    TrackPrompt as TrackPrompt,
    TrackRequest as TrackRequest,
    TrackScore as TrackScore,
)

name = "promptlayer"
why_not_shipped = ""
batches = False
key_headers = ("x-api-key",)
prefixes = (
    "/log-request", "/track-", "/rest/", "/library-track-", "/prompt-templates/", "/create-group", "/spans-bulk",
    "/api/public/v2/",
)  # fmt: skip

#: The largest integer that JSON parsers of every language read exactly.
MAX_ID = 2**53 - 1
