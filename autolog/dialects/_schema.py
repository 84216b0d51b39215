"""Request bodies of vendors' formats as pydantic models."""

from __future__ import annotations

from typing import Any, TypeVar

import pydantic

from autolog.dialects._fault import Fault

M = TypeVar("M", bound=pydantic.BaseModel)


class Body(pydantic.BaseModel):
    """A request body: types are not coerced, and unknown fields are kept."""

    model_config = pydantic.ConfigDict(strict=True, extra="allow", protected_namespaces=())


def validate(model: type[M], value: Any, status: int = 400, loc: tuple[str | int, ...] = ("body",)) -> M:
    """Validate `value` against a model and return it as one.

    Raises:
        Fault: with `status`, if it does not match; its details have the shape `{"loc", "msg", "type"}`.
    """
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        details = [
            {"loc": [*loc, *(_clean(part) for part in item["loc"])], "msg": item["msg"], "type": item["type"]}
            for item in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        first = details[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        raise Fault(status, f"{place}: {first['msg']}" if place else str(first["msg"]), details) from error


def _clean(part: str | int) -> str | int:
    return part if isinstance(part, int) else part.encode(errors="replace").decode()[:200]
