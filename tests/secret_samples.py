"""Invented keys in the formats of their issuers, and a function that redacts bodies, for the tests of redaction."""

from __future__ import annotations

import json
from typing import Any

from autolog._record.record import Record
from autolog._redaction.redactor import Redactor

#: Invented keys in their issuers' formats; concatenated so that secret scanners do not report them.
KEYS = {
    "openai": "sk-" + "proj-" + "Ab1" * 16,
    "openai legacy": "sk-" + "aB3" * 16,
    "anthropic": "sk-" + "ant-api03-" + "xY9_" * 22 + "AA",
    "openrouter": "sk-" + "or-v1-" + "0a" * 32,
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "github": "ghp_" + "a1B2" * 9,
    "github fine": "github_pat_" + "11ABCDE_" * 8,
    "gitlab": "glpat-" + "abcdEFGH12345678-_xy",
    "slack": "xoxb-" + "123456789012-123456789012-abcdefABCDEF",
    "google": "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "stripe": "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "huggingface": "hf_" + "abcdEFGHijklMNOPqrstUVWXyz012345",
    "groq": "gsk_" + "a1B2" * 13,
    "xai": "xai-" + "a1B2" * 20,
    "sendgrid": "SG." + "a1B2c3D4e5F6g7H8i9J0kl" + "." + "a1B2" * 10 + "xyz",
    "jwt": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV",
    "ours": "alk_" + "A1b2" * 10,
    "pem": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1234\n-----END RSA PRIVATE KEY-----",
}


def redacted(body: Any, kind: str = "application/json", rules: Any = None, side: str = "request") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    record = Record(id="r", **{f"{side}_body": data, f"{side}_content_type": kind})
    Redactor(rules, secrets=True).bodies(record)
    result: bytes = getattr(record, f"{side}_body")
    return result


def stream(*deltas: dict[str, Any]) -> bytes:
    chunks = [{"id": "c", "choices": [{"index": delta.pop("at", 0), "delta": delta}], "model": "m"} for delta in deltas]
    return b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"
