"""The certificate of a server: when it expires."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

import pytest

from autolog.server._tls import expiry_of


def der_time(at: datetime) -> bytes:
    """Return a time as certificates have it: without a century until 2049."""
    tag, form = (b"\x17\x0d", "%y%m%d%H%M%SZ") if at.year < 2050 else (b"\x18\x0f", "%Y%m%d%H%M%SZ")
    return tag + at.strftime(form).encode()


@pytest.mark.parametrize(
    "expiry",
    [datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)],
)
def test_an_expiry_is_read_in_both_forms_of_a_time(expiry: datetime) -> None:
    times = der_time(datetime(2019, 1, 1, tzinfo=UTC)) + der_time(expiry)
    issuer = b"\x30\x0f\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x0c\x04host"
    chain = ssl.DER_cert_to_PEM_cert(issuer + bytes([0x30, len(times)]) + times + issuer)
    assert expiry_of(f"a comment\n{chain}") == expiry


@pytest.mark.parametrize("words", ["-----BEGIN PRIVATE KEY-----", ssl.DER_cert_to_PEM_cert(b"\x30\x03\x02\x01\x01")])
def test_the_expiry_of_what_is_no_certificate_is_unknown(words: str) -> None:
    assert expiry_of(words) is None
