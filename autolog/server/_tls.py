"""The certificate of a server that answers HTTPS itself: checked before the start, read again on SIGHUP."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
from dataclasses import dataclass

from autolog.errors import AutologError

_log = logging.getLogger("autolog.server.tls")


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
        """Have new connections use the files as they are at each SIGHUP; where there is no such signal, do nothing."""
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
