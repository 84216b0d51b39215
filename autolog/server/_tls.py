"""HTTPS that a server answers itself: handshakes, and the certificate, which is read again on SIGHUP."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import ssl
from asyncio.sslproto import SSLProtocol
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from autolog.errors import AutologError

_log = logging.getLogger("autolog.server.tls")

#: A certificate that expires within this time is worth a warning; tools that renew certificates do so sooner.
_SOON = timedelta(days=7)
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
#: The two times of a certificate's validity in DER, with or without a century (RFC 5280, 4.1.2.5).
_VALIDITY = re.compile(
    rb"\x30.(?:\x17\x0d\d{12}Z|\x18\x0f\d{14}Z)(?:\x17\x0d(?P<short>\d{12})Z|\x18\x0f(?P<long>\d{14})Z)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The paths of a certificate, with its chain, and its key, both in PEM format."""

    chain: str
    key: str

    def check(self) -> None:
        """Check that the files hold a certificate and its key.

        Raises:
            AutologError: if they do not.
        """
        self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    def follow(self, context: ssl.SSLContext) -> None:
        """Have new connections use the files as they are at each SIGHUP, where there is such a signal.

        A certificate that has expired or soon will is logged now and then.
        """
        self._warn()
        if hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._renew, context)

    def _renew(self, context: ssl.SSLContext) -> None:
        try:
            self.check()  # in a context of its own, because a context is of no use after a failure
            self._load(context)
        except AutologError as error:
            _log.error("the certificate in use stays: %s", error)
        else:
            _log.warning("the certificate was read again from %s", self.chain)
            self._warn()

    def _warn(self) -> None:
        """Log a warning if the certificate has expired or soon will."""
        expiry = expiry_of(Path(self.chain).read_text(errors="replace"))
        if expiry is None or expiry - (now := datetime.now(UTC)) > _SOON:
            return
        _log.warning(
            "the certificate %s %s on %s; renew it and send SIGHUP",
            self.chain, "expired" if expiry <= now else "expires", f"{expiry:%Y-%m-%d %H:%M} UTC",
        )  # fmt: skip

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self.chain, self.key, password=lambda: "")  # otherwise OpenSSL asks the terminal
        except OSError as error:
            if not isinstance(error, ssl.SSLError):
                problem = error.strerror or str(error)
            elif error.reason == "KEY_VALUES_MISMATCH":
                problem = "the key is not that of the certificate"
            else:
                problem = "they must be a certificate and its key in PEM format, without a password"
            raise AutologError(f"cannot use the certificate {self.chain} with the key {self.key}: {problem}") from error


def expiry_of(chain: str) -> datetime | None:
    """Return when the first certificate of a chain in PEM format expires; None if that cannot be read."""
    first = _CERTIFICATE.search(chain)
    validity = first and _VALIDITY.search(ssl.PEM_cert_to_DER_cert(first[0]))
    if not validity:
        return None
    digits, form = (validity["short"], "%y%m%d%H%M%S") if validity["short"] else (validity["long"], "%Y%m%d%H%M%S")
    return datetime.strptime(digits.decode(), form).replace(tzinfo=UTC)


def begin_tls(
    loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, context: ssl.SSLContext, protocol: asyncio.Protocol
) -> asyncio.Future[None]:
    """Go on over TLS with a client that has just connected: `protocol` is connected again once they have shaken hands.

    Return a future that is done then, or when the connection is lost before. `loop.start_tls` is a coroutine: with
    uvloop, the client's first bytes may arrive before it runs.
    """
    done = loop.create_future()
    secured = SSLProtocol(loop, protocol, context, done, server_side=True)
    transport.set_protocol(secured)
    secured.connection_made(transport)
    return done
