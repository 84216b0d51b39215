"""What a call cost, in US dollars, from the tokens that it used: genai-prices knows the prices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from autolog._guard import logger
from autolog.providers import Usage

#: genai-prices' names for those providers that the OpenTelemetry conventions name otherwise.
_PRICED_AS = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "aws.bedrock": "aws",
    "gcp.vertex_ai": "google",
    "gcp.gemini": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
}

#: Our counts, by the names that genai-prices gives them.
_UNITS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_creation",
    "cache_write_5m_tokens": "cache_creation_5m",
    "cache_write_1h_tokens": "cache_creation_1h",
    "input_audio_tokens": "input_audio",
    "output_audio_tokens": "output_audio",
}


def price(
    provider_name: str | None, models: tuple[str | None, ...], usage: Usage, at: datetime | None
) -> tuple[float | None, dict[str, Any] | None]:
    """The cost of `usage` and its parts, by the first of `models` that has a price at the time `at`.

    Returns `(None, {"unknown": why})` when there is no telling, and `(None, None)` when there was nothing to price.
    """
    counts = {unit: value for unit, attribute in _UNITS.items() if (value := getattr(usage, attribute))}
    if usage.input is None and usage.output is None:
        return None, None
    import genai_prices

    why = "no model named"
    for model in dict.fromkeys(filter(None, models)):
        try:
            result = genai_prices.calc_price(
                genai_prices.Usage(**counts),
                model,
                provider_id=_PRICED_AS.get(provider_name or "", provider_name),
                genai_request_timestamp=at,
            )
        except LookupError as error:
            why = str(error.args[0] if error.args else error)
            continue
        except Exception as error:  # noqa: BLE001 - impossible usage raises; it costs a price, not a record
            logger.debug("no price for %s", model, exc_info=error)
            why = f"{type(error).__name__}: {error}"
            continue
        return float(result.total_price), {
            "input": float(result.input_price),
            "output": float(result.output_price),
            "model": result.model.id,
            "provider": result.provider.id,
            "prices": f"genai-prices {genai_prices.__version__}",
        }
    return None, {"unknown": why}
