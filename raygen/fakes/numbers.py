"""Card numbers, bank accounts and UUIDs by row: valid in form, and different in each row."""

import re
import string

import numpy as np
import pyarrow as pa

from raygen.fakes.patterns import Pattern, written
from raygen.fakes.streams import Stream

CARD = Pattern(r"4\d{14}")  # of sixteen digits, the last one is a check
HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
UUID_PARTS = (8, 4, 4, 4, 12)
NATIONAL = re.compile(r"[#?%0-9A-Z]{4,30}")  # form of an account number


def cards(stream: Stream, rows: np.ndarray) -> pa.Array:
    """Card numbers whose last digit is that of Luhn (ISO/IEC 7812-1, annex B)."""
    payload = _signs(CARD.texts(stream, rows), 15).astype(np.int64) - ord("0")
    doubled = 2 * payload[:, ::2]
    total = (doubled - 9 * (doubled > 9)).sum(1) + payload[:, 1::2].sum(1)
    return written(np.column_stack([payload, -total % 10]) + ord("0"))


class Accounts:
    """International bank account numbers (ISO 13616) of a country.

    Args:
        country: Two letters.
        form: Of what stands behind the check digits: `#` a digit, `%` one that is not 0, `?` a letter.

    Raises:
        ValueError: If these are no country and no form.
    """

    def __init__(self, country: str, form: str):
        if not re.fullmatch("[A-Z]{2}", country) or not NATIONAL.fullmatch(form):
            raise ValueError(f"no account numbers of country {country!r:.10} and form {form!r:.40}")
        self.country, self.width = country, len(form)
        signs = {"#": r"\d", "%": "[1-9]", "?": "[A-Z]"}
        self.national = Pattern("".join(signs.get(sign, sign) for sign in form))

    def texts(self, stream: Stream, rows: np.ndarray) -> pa.Array:
        """An account number for each row."""
        national = _signs(self.national.texts(stream, rows), self.width).astype(np.int64)
        country = np.frombuffer(self.country.encode(), np.uint8).astype(np.int64)
        check = 98 - _remainder(national, country)
        head = np.broadcast_to(country, (len(rows), 2))
        digits = np.column_stack([check // 10, check % 10]) + ord("0")
        return written(np.column_stack([head, digits, national]))


def uuids(stream: Stream, rows: np.ndarray) -> pa.Array:
    """UUIDs of version 4 (RFC 9562, sec. 5.4)."""
    halves = np.column_stack([stream.hashes(rows, 0), stream.hashes(rows, 1)]).astype(">u8")
    content = halves.view(np.uint8).reshape(len(rows), 16)
    content[:, 6] = content[:, 6] & 0x0F | 0x40
    content[:, 8] = content[:, 8] & 0x3F | 0x80
    places = HEX[np.stack([content >> 4, content & 15], axis=2).reshape(len(rows), 32)]
    dash = np.full((len(rows), 1), ord("-"), np.uint8)
    parts = np.split(places, np.cumsum(UUID_PARTS[:-1]), axis=1)
    return written(np.hstack([parts[0]] + [one for part in parts[1:] for one in (dash, part)]))


def is_card(text: str) -> bool:
    """Whether a text has the digits of a card number, the check among them."""
    found = [int(sign) for sign in text if sign in string.digits]
    doubled = [2 * digit - 9 * (digit > 4) for digit in found[-2::-2]]
    return 13 <= len(found) <= 19 and not (sum(found[-1::-2]) + sum(doubled)) % 10


def is_account(text: str) -> bool:
    """Whether a text is an international bank account number, the check among them."""
    plain = text.replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{8,30}", plain):
        return False
    return int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1


def _remainder(national: np.ndarray, country: np.ndarray) -> np.ndarray:
    """Of national number, country and two zeros, as one number of which letters are 10 to 35, by 97."""
    left = np.zeros(len(national), np.int64)
    for column in (*national.T, *country, np.int64(ord("0")), np.int64(ord("0"))):
        is_letter = column >= ord("A")
        value = column - np.where(is_letter, ord("A") - 10, ord("0"))
        left = (left * np.where(is_letter, 100, 10) + value) % 97
    return left


def _signs(texts: pa.Array, width: int) -> np.ndarray:
    """Code points of texts of ASCII that are all `width` long, uint8 of shape (rows, width)."""
    content = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    return content[texts.offset * width : (texts.offset + len(texts)) * width].reshape(len(texts), width)
