"""The URLs under which calls are recorded."""

from __future__ import annotations

#: The header in which AWS's JSON protocols name the operation.
OPERATION_HEADER = "X-Amz-Target"


def operation_url(url: str, target: str | bytes | None) -> str:
    """Return the URL of a request to AWS, with the operation's name as its path if only a header names it.

    So it is in AWS's JSON protocols: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html

    Args:
        url: the URL of the request, whose path is `/` in these protocols.
        target: the value of `OPERATION_HEADER`: the service, a dot and the operation; None if the request has none.
    """
    if target is None:
        return url
    name = target.decode("latin-1") if isinstance(target, bytes) else target
    return f"{url.rstrip('/')}/{name.rpartition('.')[2]}"
