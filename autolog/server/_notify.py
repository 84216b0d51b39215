"""Notifications of alerts: by the log, a webhook, or mail.

The address of a webhook is chosen by whoever may set alerts, who may not have access to the server's network.
Therefore nothing is posted to private addresses by default, and the address that was checked is the one that is used.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from autolog.errors import AutologError
from autolog.server._alerts import Rule
from autolog.server._logs import alerts

#: The timeout of connecting and of each read, and the limit of a whole attempt once connected, in seconds.
TIMEOUT, LIMIT = 5.0, 15.0
#: The pauses before further attempts, in seconds.
PAUSES = (1.0, 5.0)


#: The IPv6 addresses of hosts in the internet (RFC 4291), and those by which a gateway reaches IPv4 hosts (RFC 6052).
_HOSTS, _NAT64 = IPv6Network("2000::/3"), IPv6Network("64:ff9b::/96")
#: Addresses that are public by their number, and are those of services inside Oracle's cloud and Azure.
_OF_THE_CLOUD = (IPv4Network("192.0.0.0/24"), IPv4Network("168.63.129.16/32"))


class Undeliverable(Exception):  # noqa: N818 - named for what happened
    """A notification could not be delivered. `final` says that trying again is useless."""

    def __init__(self, problem: str, final: bool = False) -> None:
        self.final = final
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class MailServer:
    """The SMTP server for mail: `smtp://user:password@host:587?from=alerts@example.com`, or `smtps://`."""

    host: str
    port: int
    sender: str
    user: str | None = None
    password: str | None = None
    tls: bool = False


def read_mail_server(url: str) -> MailServer:
    """Parse the URL of a mail server.

    Raises:
        AutologError: if the URL has the wrong form.
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
    user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
    return MailServer(parts.hostname, port, sender, user, password, parts.scheme == "smtps")


@dataclass(frozen=True, slots=True)
class Notifier:
    """Sends notifications of alerts.

    Attributes:
        private: whether webhooks may be in private networks or on this machine.
        mail: the server that sends mail; None for no mail.
        address: the public address of the dashboard, `https://logs.example.com`, for links in messages.
    """

    private: bool = False
    mail: MailServer | None = None
    address: str | None = None

    def notify(self, rule: Rule, event: Mapping[str, Any]) -> list[str]:
        """Log an event and send it to the rule's recipients; return a problem for each failed delivery."""
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
    """Deliver, with retries after `PAUSES`; return why it failed, or None."""
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
    """Post JSON to a URL, without following redirects.

    Raises:
        Undeliverable: if the request failed, or its status is not 2xx.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    try:
        port = parts.port or (443 if secure else 80)
        address = _address_of(host, port, private)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with (
            _time_limit() as connect,
            contextlib.closing(_Connection(host, port, address, secure, connect)) as connection,
        ):
            connection.request("POST", path, body, {"content-type": "application/json", "user-agent": "autolog"})
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Undeliverable(f"{host}: {error or type(error).__name__}") from error
    if not 200 <= status < 300:
        raise Undeliverable(f"{host} answered {status}", final=status < 500 and status != 429)


def _address_of(host: str, port: int, private: bool) -> str:
    """Resolve a host name and return the IP address to connect to.

    Raises:
        Undeliverable: if the host has a private address, and `private` is False.
    """
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not private and not all(map(_is_public, found)):
        raise Undeliverable(f"{host} is in a private network; see --allow-private-webhooks", final=True)
    return found[0]


def _is_public(address: str) -> bool:
    """Return whether an IP address belongs to a host in the internet, wherever this server runs."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip in _NAT64:
            ip = IPv4Address(int(ip) & 0xFFFFFFFF)  # a gateway sends to this address
        elif ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip not in _HOSTS or ip.sixtofour is not None:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _OF_THE_CLOUD)


Connect = Callable[[str, int], socket.socket]


@contextlib.contextmanager
def _time_limit() -> Iterator[Connect]:
    """Yield a function that connects to a host and port, and that ends the connection after `LIMIT` seconds.

    The timeout of a socket alone is that of a single read, and a peer may send a byte at a time without an end.

    Raises:
        TimeoutError: if the block has failed because its connection was ended.
    """
    ends = contextlib.ExitStack()
    expired = threading.Event()

    def connect(host: str, port: int) -> socket.socket:
        sock = socket.create_connection((host, port), TIMEOUT)
        end = ends.enter_context(sock.dup())  # remains open when TLS takes over the socket
        timer = threading.Timer(LIMIT, shut_down, [end])
        timer.daemon = True
        ends.callback(timer.join)
        ends.callback(timer.cancel)
        timer.start()
        return sock

    def shut_down(end: socket.socket) -> None:
        expired.set()
        with contextlib.suppress(OSError):  # the peer has closed it
            end.shutdown(socket.SHUT_RDWR)

    with ends:
        try:
            yield connect
        except Exception as error:
            if expired.is_set():
                raise TimeoutError(f"the reply was not complete after {LIMIT:g} s") from error
            raise


class _Connection(http.client.HTTPConnection):
    """A connection to a given IP address, for a host whose name has been resolved already."""

    def __init__(self, host: str, port: int, address: str, secure: bool, connect: Connect) -> None:
        super().__init__(host, port, timeout=TIMEOUT)
        self.default_port = 443 if secure else 80
        self._address = address
        self._secure = secure
        self._connect = connect

    def connect(self) -> None:
        self.sock = self._connect(self._address, self.port)
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


class _MailConnection(smtplib.SMTP):
    """A connection to a mail server, encrypted from the beginning if there is a `context`."""

    def __init__(self, server: MailServer, connect: Connect, context: ssl.SSLContext | None) -> None:
        self._connect = connect
        self._context = context
        super().__init__(server.host, server.port, timeout=TIMEOUT)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 - smtplib's signature
        """Return the socket of a new connection, as `smtplib.SMTP_SSL` does, too."""
        sock = self._connect(host, port)
        return sock if self._context is None else self._context.wrap_socket(sock, server_hostname=host)


def send_mail(server: MailServer, message: EmailMessage) -> None:
    """Hand a message to a mail server; always over TLS if there is a password.

    Raises:
        Undeliverable: if the server does not accept the message.
    """
    context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
    try:
        first = context if server.tls else None
        with _time_limit() as connect, _MailConnection(server, connect, first) as connection:
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
