"""Humanloop: logs of prompts, flows, tools and evaluators.

A log belongs to a file (a prompt at a path) and to one version of it. There is no registry: a file's id is derived from
its project and path, and a version's id from its settings, so equal settings are always the same version.

The format cannot express HTTP status and headers, time to the first chunk, cached tokens, and tags.
"""

from __future__ import annotations

from autolog.dialects._convert import refused as refused
from autolog.dialects.humanloop._decode import decode_log as decode_log, decode_update as decode_update
from autolog.dialects.humanloop._encode import (
    FileFacts as FileFacts,
    encode_created as encode_created,
    encode_evaluator_log as encode_evaluator_log,
    encode_fault as encode_fault,
    encode_log as encode_log,
    encode_request as encode_request,
    is_fault as is_fault,
)
from autolog.dialects.humanloop._listing import Listing as Listing, missing as missing
from autolog.dialects.humanloop._models import LOGS as LOGS, Fields as Fields

name = "humanloop"
why_not_shipped = ""
batches = False
key_headers = ("x-api-key",)
prefixes = ("/v5/",)
