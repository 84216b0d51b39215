"""Two corpora for measuring the search for personal data: texts with planted data, and texts without any.

    python tests/pii_corpus.py

prints the share found of each kind, and the false positives per 10,000 words. Everything is generated from a fixed
seed, with valid checksums.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from secret_corpus import clean

_GIVEN = ("Maria", "James", "Fatima", "Lukas", "Yuki", "Giulia", "Ahmed", "Priya", "Olga", "Pierre", "Carmen", "Robert")
_SURNAMES = ("Schneider", "Okafor", "Tanaka", "Rossi", "Van Dyke", "O'Neill", "Garcia", "Novak", "Lindqvist", "Dubois")
_HOSTS = ("example.com", "mail.example.org", "uni-example.de", "example.co.uk")
SENTENCES = (
    "Please write to {}.",
    "{} asked for a refund",
    "contact: {}",
    "It was sent to {} yesterday, as agreed.",
    '"{}"',
    "({})",
)


def _email(rng: random.Random) -> str:
    return (
        f"{rng.choice(_GIVEN).lower()}{rng.choice(('.', '_', '', '+shop.'))}{rng.randint(1, 999)}@{rng.choice(_HOSTS)}"
    )


def _phone(rng: random.Random) -> str:
    def digits(count: int) -> str:
        return "".join(str(rng.randint(2, 9)) for _ in range(count))

    return rng.choice((f"+49 30 {digits(8)}", f"+1 {digits(3)}-{digits(3)}-{digits(4)}", f"({digits(3)}) {digits(3)}-{digits(4)}",
                       f"{digits(3)}-{digits(3)}-{digits(4)}", f"+44 20 {digits(4)} {digits(4)}", f"030 {digits(7)}",
                       f"+33 6 {digits(2)} {digits(2)} {digits(2)} {digits(2)}", f"0171/{digits(7)}"))  # fmt: skip


def _iban(rng: random.Random) -> str:
    country, length = rng.choice((("DE", 18), ("FR", 23), ("NL", 14), ("GB", 18), ("ES", 20)))
    account = "".join(str(rng.randint(0, 9)) for _ in range(length))
    number = int("".join(str(int(sign, 36)) for sign in account + country + "00"))
    whole = f"{country}{98 - number % 97:02d}{account}"
    return whole if rng.random() < 0.5 else " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))


def _card(rng: random.Random) -> str:
    digits = [int(sign) for sign in rng.choice(("4", "51", "6011")).ljust(15, "x").replace("x", "0")]
    digits = [digit or rng.randint(1, 9) for digit in digits]
    total = sum(digits[-2::-2]) + sum(digit * 2 - 9 * (digit > 4) for digit in digits[-1::-2])
    whole = "".join(map(str, digits)) + str(-total % 10)
    return rng.choice(
        (
            whole,
            " ".join(whole[at : at + 4] for at in range(0, 16, 4)),
            whole[:4] + "-" + whole[4:8] + "-" + whole[8:12] + "-" + whole[12:],
        )
    )


def _address(rng: random.Random) -> str:
    if rng.random() < 0.7:
        return f"{rng.randint(11, 126)}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
    return f"2001:db8:{rng.randrange(65536):x}::{rng.randrange(1, 65536):x}"


def _name(rng: random.Random) -> str:
    return rng.choice(
        (f"{rng.choice(_GIVEN)} {rng.choice(_SURNAMES)}", rng.choice(_GIVEN), f"Dr. {rng.choice(_SURNAMES)}")
    )


def _social_security(rng: random.Random) -> str:
    return f"{rng.randint(100, 599)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}"


KINDS: dict[str, Callable[[random.Random], str]] = {
    "[EMAIL]": _email, "[PHONE]": _phone, "[IBAN]": _iban, "[CARD]": _card, "[IP]": _address, "[NAME]": _name,
    "[SSN]": _social_security,
}  # fmt: skip


def planted(each: int = 60, seed: int = 5) -> Iterator[tuple[str, str, str]]:
    """Yield the expected label, a text with personal data, and that data."""
    rng = random.Random(seed)
    for label, make in KINDS.items():
        for number in range(each):
            data = make(rng)
            yield label, SENTENCES[number % len(SENTENCES)].format(data), data


def main() -> None:
    """Print the rates of true and false positives."""
    from autolog._redaction.pii import personal_data
    from autolog._redaction.walk import apply, without_overlaps

    for label in KINDS:
        texts = [(text, data) for kind, text, data in planted() if kind == label]
        missed = [(text, data) for text, data in texts if data in apply(text, without_overlaps(personal_data(text)))]
        print(
            f"{label}: found {len(texts) - len(missed)} of {len(texts)}",
            *(f"\n  missed: {text}" for text, _ in missed[:5]),
        )
    plain = list(clean(500_000))
    authors = {"Ada", "ada@example.com"}  # of the commits
    false = [(text, edit) for text in plain for edit in personal_data(text) if text[edit[0] : edit[1]] not in authors]
    words = sum(len(text.split()) for text in plain)
    print(f"{10_000 * len(false) / words:.2f} places in 10,000 words taken without need")
    for text, (start, end, label) in false[:20]:
        print(f"  false {label}: {text[max(0, start - 30) : end + 10]!r}")


if __name__ == "__main__":
    main()
