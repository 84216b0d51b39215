"""Mail is sent in the way that the mail server requires, with clear errors; webhooks reach public addresses only."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email import message_from_bytes

import pytest

from autolog.errors import AutologError
from autolog.server._alerts import Rule
from autolog.server._notify import MailServer, Notifier, Undeliverable, _address_of, read_mail_server

RULE = Rule("spend", "shop", "cost > 5 over 1d", {"user": "ännchen"}, mail=("ops@example.com", "ann@example.com"))
EVENT = {"at": "2026-11-20T12:00:00+00:00", "firing": True, "text": "FIRING spend: cost $6.00", "value": 6.0}


@contextlib.contextmanager
def mail_server(refuse: bytes = b"") -> Iterator[tuple[int, list[bytes], list[bytes]]]:
    """Yield the port of a server that takes mail, the lines that it was told, and the messages that it got."""
    lines, messages = list[bytes](), list[bytes]()

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rwb", 0) as stream:
            stream.write(b"220 mail\r\n")
            while line := stream.readline():
                lines.append(line.strip())
                word = line[:4].upper()
                if refuse and word == b"RCPT":
                    stream.write(refuse + b"\r\n")
                elif word == b"DATA":
                    stream.write(b"354 go\r\n")
                    whole = b""
                    while (part := stream.readline()) != b".\r\n":
                        whole += part
                    messages.append(whole)
                    stream.write(b"250 kept\r\n")
                else:
                    stream.write(b"250 fine\r\n" if word != b"QUIT" else b"221 bye\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        yield listening.getsockname()[1], lines, messages


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("10.1.2.3", False), ("100.64.0.1", False), ("224.0.1.1", False),
        ("0x7f.1", False), ("2130706433", False),  # 127.0.0.1
        ("192.0.0.192", False), ("168.63.129.16", False),  # services in Oracle's cloud and in Azure
        ("::1", False), ("fe80::1%lo", False), ("fec0::1", False), ("ff0e::1", False),
        ("::ffff:10.0.0.1", False), ("::ffff:8.8.8.8", True),
        ("64:ff9b::a00:1", False), ("64:ff9b::808:808", True),  # 10.0.0.1 and 8.8.8.8 through NAT64
        ("::a00:1", False), ("2002:a00:1::", False), ("2002:808:808::", False),  # 10.0.0.1 and 8.8.8.8 in old ways
    ],
)  # fmt: skip
def test_only_public_addresses_are_reached(address: str, public: bool) -> None:
    if public:
        assert _address_of(address, 80, private=False)
    else:
        with pytest.raises(Undeliverable, match="private network"):
            _address_of(address, 80, private=False)
    assert _address_of(address, 80, private=True)


def test_a_message_says_what_happened() -> None:
    with mail_server() as (port, lines, messages):
        notifier = Notifier(mail=MailServer("127.0.0.1", port, "alerts@example.com"))
        assert notifier.notify(RULE, EVENT) == []
    (raw,) = messages
    message = message_from_bytes(raw)
    assert message["Subject"] == "FIRING spend: cost $6.00"
    assert message["From"] == "alerts@example.com"
    assert message["To"] == "ops@example.com, ann@example.com"
    assert b"when: cost > 5 over 1d" in message.get_payload(decode=True)
    assert [line for line in lines if line.startswith(b"rcpt")] == [
        b"rcpt TO:<ops@example.com>",
        b"rcpt TO:<ann@example.com>",
    ]


def test_what_a_mail_server_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autolog.server._notify.PAUSES", ())
    with mail_server(refuse=b"550 no such user") as (port, _, messages):
        (problem,) = Notifier(mail=MailServer("127.0.0.1", port, "alerts@example.com")).notify(RULE, EVENT)
        assert "no such user" in problem
        assert messages == []
    (problem,) = Notifier(mail=MailServer("127.0.0.1", 9, "alerts@example.com")).notify(RULE, EVENT)
    assert problem.startswith("mail: 127.0.0.1: ")
    assert Notifier().notify(RULE, EVENT) == ["mail: this server has no --smtp"]


def test_a_password_is_sent_over_tls_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autolog.server._notify.PAUSES", ())
    with mail_server() as (port, lines, _):
        (problem,) = Notifier(mail=MailServer("127.0.0.1", port, "a@b", "user", "secret")).notify(RULE, EVENT)
    assert "STARTTLS" in problem
    assert not [line for line in lines if b"AUTH" in line.upper()]


def test_the_address_of_a_mail_server_is_read() -> None:
    found = read_mail_server("smtp://al%40ex:p%2Fw@mail.example.com?from=alerts@example.com")
    assert found == MailServer("mail.example.com", 587, "alerts@example.com", "al@ex", "p/w")
    assert read_mail_server("smtps://mail.example.com?from=a@b") == MailServer("mail.example.com", 465, "a@b", tls=True)
    for wrong in (
        "",
        "mail.example.com",
        "smtp://mail",
        "http://mail?from=a@b",
        "smtp://:25?from=a@b",
        "smtp://m:x?from=a@b",
    ):
        with pytest.raises(AutologError, match="smtp://"):
            read_mail_server(wrong)


def _drips(beginning: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    def drip(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(beginning)
            while True:
                connection.sendall(drop)
                time.sleep(0.02)

    return drip


@pytest.mark.parametrize(
    ("address", "drip"),
    [
        ("http", _drips(b"", b"H")),
        ("http", _drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
        ("https", _drips(b"\x16\x03\x03\x40\x00", b"\x02")),  # a TLS record of 16 kB
        ("smtp", _drips(b"220 ", b"m")),
        ("smtp", _drips(b"", b"220-mail\r\n")),
        ("smtps", _drips(b"\x16\x03\x03\x40\x00", b"\x02")),
    ],
)
def test_a_recipient_that_sends_a_byte_at_a_time_is_given_up(
    address: str, drip: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autolog.server._notify.PAUSES", ())
    monkeypatch.setattr("autolog.server._notify.LIMIT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=lambda: drip(listening.accept()[0]), daemon=True).start()
        port = listening.getsockname()[1]
        rule = replace(RULE, mail=(), webhook=f"{address}://127.0.0.1:{port}") if address.startswith("http") else RULE
        mail = MailServer("127.0.0.1", port, "alerts@example.com", tls=address == "smtps")
        (problem,) = Notifier(private=True, mail=mail).notify(rule, EVENT)
    assert "not complete after 0.1 s" in problem
