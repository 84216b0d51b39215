"""Telling people of an alert: the log, a webhook, mail.

A webhook's address comes from whoever may set alerts, and the server stands where they may not reach: by default
nothing is posted to addresses of private networks. The address that was looked at is the one that is connected to.
"""

from __future__ import annotations

import http.client
import json
import os
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from autolog.errors import AutologError
from autolog.server._alerts import Rule
from autolog.server._logs import alerts

#: How long one attempt may take, and after which pauses it is made again, in seconds.
TIMEOUT = 5.0
PAUSES = (1.0, 5.0)


class Undeliverable(Exception):  # noqa: N818 - it says what happened
    """A notification that could not be delivered. `final`: trying again is of no use."""

    def __init__(self, problem: str, final: bool = False) -> None:
        self.final = final
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over: `smtp://user:password@host:587?from=alerts@example.com`, or `smtps://`."""

    host: str
    port: int
    sender: str
    user: str | None = None
    password: str | None = None
    tls: bool = False


def read_mail_server(url: str) -> MailServer:
    """Read the address of a mail server.

    Raises:
        AutologError: it is none.
    """
    problem = AutologError(
        "--smtp is not of the form smtp://user:password@mail.example.com:587?from=alerts@example.com, or smtps://"
    )
    try:
        parts = urlsplit(url)
        port = parts.port or {"smtp": 587, "smtps": 465}[parts.scheme]
    except (ValueError, KeyError):
        raise problem from None
    sender = next(iter(parse_qs(parts.query).get("from", [])), "")
    if not parts.hostname or "@" not in sender:
        raise problem
    user, password = (None if one is None else unquote(one) for one in (parts.username, parts.password))
    return MailServer(parts.hostname, port, sender, user, password, parts.scheme == "smtps")


@dataclass(frozen=True, slots=True)
class Notifier:
    """How a server tells of alerts.

    Attributes:
        private: whether webhooks may be in private networks, or on this machine. mail: the server that takes mail.
        address: where people reach the pages, `https://logs.example.com`: messages link there.
    """

    private: bool = False
    mail: MailServer | None = None
    address: str | None = None

    def tell(self, rule: Rule, event: Mapping[str, Any]) -> list[str]:
        """Log an event and send it wherever the rule says; return what could not be delivered, and why."""
        text = str(event["text"])
        facts = {"alert": rule.name, "project": rule.project, "when": rule.when, "filters": dict(rule.filters), **event}
        if self.address is not None:
            facts["url"] = self.address.rstrip("/") + rule.path(datetime.fromisoformat(event["at"]))
            facts["text"] = f"{text}\n{facts['url']}"
        alerts.warning("%s", text, extra={"fields": {"alert": rule.name, "firing": event["firing"]}})
        problems = []
        if rule.webhook is not None:
            url, body = rule.webhook, json.dumps(facts, default=str).encode()
            problems.append(_attempted("webhook", lambda: post(url, body, self.private)))
        if rule.mail:
            problems.append(_attempted("mail", lambda: self._send(rule, text, facts)))
        found = [problem for problem in problems if problem is not None]
        for problem in found:
            alerts.error("the alert %s was not delivered: %s", rule.name, problem)
        return found

    def _send(self, rule: Rule, text: str, facts: Mapping[str, Any]) -> None:
        if self.mail is None:
            raise Undeliverable("this server has no --smtp", final=True)
        message = EmailMessage()
        message["From"], message["To"] = self.mail.sender, ", ".join(rule.mail)
        message["Subject"] = text[:200]
        message.set_content(
            "\n".join([text, "", *(f"{name}: {value}" for name, value in facts.items() if name != "text")])
        )
        send_mail(self.mail, message)


def _attempted(channel: str, deliver: Callable[[], None]) -> str | None:
    """Deliver, trying again after a while; return why it did not work."""
    for pause in (*PAUSES, None):
        try:
            deliver()
        except Undeliverable as error:
            if error.final or pause is None:
                return f"{channel}: {error}"
            time.sleep(pause)
        else:
            return None
    return None


def post(url: str, body: bytes, private: bool) -> None:
    """Post JSON to a URL, following nowhere else.

    Raises:
        Undeliverable: it was not taken.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    try:
        port = parts.port or (443 if secure else 80)
        address = _address_of(host, port, private)
        connection = _Connection(host, port, address, secure)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body, {"content-type": "application/json", "user-agent": "autolog"})
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Undeliverable(f"{host}: {error or type(error).__name__}") from error
    if not 200 <= status < 300:
        raise Undeliverable(f"{host} answered {status}", final=status < 500 and status != 429)


def _address_of(host: str, port: int, private: bool) -> str:
    """Return the address to connect to.

    Raises:
        Undeliverable: it is of a private network, and that is not allowed.
    """
    found = [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    inside = [address for address in found if not ip_address(address.partition("%")[0]).is_global]
    if inside and not private:
        raise Undeliverable(f"{host} is in a private network; see --allow-private-webhooks", final=True)
    return found[0]


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was looked up before, by the name of its host."""

    def __init__(self, host: str, port: int, address: str, secure: bool) -> None:
        super().__init__(host, port, timeout=TIMEOUT)
        self.default_port = 443 if secure else 80
        self._address = address
        self._secure = secure

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def send_mail(server: MailServer, message: EmailMessage) -> None:
    """Hand a message over to a mail server: over TLS, wherever a password is sent.

    Raises:
        Undeliverable: it was not taken.
    """
    context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
    try:
        kind = smtplib.SMTP_SSL if server.tls else smtplib.SMTP
        options: dict[str, Any] = {"context": context} if server.tls else {}
        with kind(server.host, server.port, timeout=TIMEOUT, **options) as connection:
            connection.ehlo_or_helo_if_needed()
            if not server.tls and (connection.has_extn("starttls") or server.password is not None):
                connection.starttls(context=context)
            if server.user is not None:
                connection.login(server.user, server.password or "")
            connection.send_message(message)
    except smtplib.SMTPResponseException as error:
        words = error.smtp_error if isinstance(error.smtp_error, str) else error.smtp_error.decode(errors="replace")
        raise Undeliverable(f"{server.host}: {error.smtp_code} {words}", final=error.smtp_code >= 500) from error
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise Undeliverable(f"{server.host}: {error or type(error).__name__}") from error
