"""Never run, only type-checked: a module that ships declares all that shipping needs."""

from __future__ import annotations

from autolog.dialects import (
    Dialect,
    ShippingDialect,
    cloudflare,
    humanloop,
    native,
    otlp,
    portkey,
    promptlayer,
    responselog,
)

ALL: tuple[Dialect, ...] = (native, otlp, responselog, portkey, humanloop, promptlayer, cloudflare)
SHIPPING: tuple[ShippingDialect, ...] = (native, otlp, responselog, portkey, humanloop, promptlayer)
