"""Tokens, proofs and private keys are found by the syntax of their standards, and only by that."""

from __future__ import annotations

import pytest

from autolog._redaction.signs import Signs
from autolog._redaction.tokens import OF_STANDARDS

_SIGNED = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.q8Zr3Lk9Vx2Pm7Tn4Wb6"


@pytest.mark.parametrize(("text", "secret"), [
    (f"see {_SIGNED}, please", _SIGNED), ("cookie eyJzdWIiOiIxMjM0NTY3ODkwIn0.q8Zr3Lk9Vx2Pm7Tn4Wb6", "eyJzdWIiOiIxMjM0NTY3ODkwIn0.q8Zr3Lk9Vx2Pm7Tn4Wb6"),
    ('Digest username="a", response="9f2c4e1ab07d63f58e9a1c2b3d4f5061"', "9f2c4e1ab07d63f58e9a1c2b3d4f5061"),
    ("MIIEowIBAAKCAQEAx7Vq\n-----END RSA PRIVATE KEY-----", "MIIEowIBAAKCAQEAx7Vq\n"), ("a digest of the news, response=yes", None), ("eyJhbGciOiJIUzI1NiJ9", None),
    ("-----BEGIN CERTIFICATE-----\nMIIEowIBAAKCAQEAx7Vq\n-----END CERTIFICATE-----", None),
])  # fmt: skip
def test_what_a_standard_describes_is_found(text: str, secret: str | None) -> None:
    plain = text.encode()
    lowered = plain.lower()
    found = {
        text[slice(*span)] for search in Signs(OF_STANDARDS, {}).searches(lowered) for span in search(plain, lowered)
    }
    assert found == ({secret} if secret else set())
