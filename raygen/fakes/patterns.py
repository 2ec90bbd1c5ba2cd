"""The texts that a pattern such as `[A-Z]{3}\\d{4}` stands for, by number.

What a pattern may hold, of the regular expressions that Python reads: signs, `\\` before a sign that has a
meaning, `.`, `\\d`, `\\w`, `[A-Z0-9]`, `[^...]`, `(...|...)`, and `?`, `{3}` or `{2,4}` behind one of these.
"""

import math
import string
from itertools import product

import numpy as np
import pyarrow as pa

from raygen.fakes.streams import Stream

MOST_FORMS = 1000
MOST_SIGNS = 200  # of a text
MOST_CLASS = 1000  # signs that may stand in a place
COUNTED = 2**62
AFTER_ROUNDS = 100  # numbers of hashes that no round of an order has
PRINTED = "".join(map(chr, range(33, 127)))
CLASSES = {"d": string.digits, "w": string.ascii_uppercase + string.ascii_lowercase + string.digits + "_"}
SPECIAL = r"\.[](){}|?*+^$"
Form = tuple[str, ...]  # for each place, the signs that may stand there


class Pattern:
    """A pattern and its forms: texts of one length each.

    Args:
        text: As it is written.

    Raises:
        ValueError: If it is none, or stands for too much.
    """

    def __init__(self, text: str):
        self.text = text
        self.forms = _Reader(text).all()
        self.sizes = [math.prod(map(len, form)) for form in self.forms]

    @property
    def size(self) -> int:
        """How many texts it stands for."""
        return sum(self.sizes)

    @property
    def most_digits(self) -> int:
        """Digits of the longest text, if all texts are whole numbers; else 0."""
        signs = {sign for form in self.forms for place in form for sign in place}
        whole = signs <= set(string.digits) and all(self.forms)
        return max(map(len, self.forms)) if whole else 0

    def texts(self, stream: Stream, rows: np.ndarray) -> pa.Array:
        """A text for each row; no two of as many rows as there are texts have the same one.

        Args:
            stream: What the texts follow from.
            rows: uint64 numbers of rows.
        """
        ends = np.cumsum([size / self.size for size in self.sizes])
        if self.size < COUNTED:
            numbers = stream.order(self.size, rows)
            first = np.cumsum([0, *self.sizes[:-1]]).astype(np.uint64)
            form = np.searchsorted(first, numbers, side="right") - 1
            numbers = numbers - first[form]
        else:
            form = np.searchsorted(ends[:-1], stream.hashes(rows) / 2.0**64, side="right")
            numbers = None
        if len(self.forms) == 1:
            return written(_places(self.forms[0], stream, rows, numbers))
        parts, order = [], []
        for i in np.unique(form):
            mine = np.flatnonzero(form == i)
            own = None if numbers is None else numbers[mine]
            parts.append(written(_places(self.forms[i], stream, rows[mine], own)))
            order.append(mine)
        back = np.argsort(np.concatenate(order)) if order else np.zeros(0, int)
        return pa.concat_arrays(parts or [pa.array([], pa.large_string())]).take(pa.array(back))


def _places(form: Form, stream: Stream, rows: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    """Code points of shape (rows, places), of texts by their numbers; None: drawn place by place."""
    out = np.empty((len(rows), len(form)), np.uint32)
    for place in reversed(range(len(form))):
        signs, count = np.array([ord(sign) for sign in form[place]], np.uint32), len(form[place])
        if numbers is None:
            out[:, place] = signs[stream.below(count, rows, AFTER_ROUNDS + place)]
        else:
            out[:, place] = signs[(numbers % np.uint64(count)).astype(np.int64)]
            numbers = numbers // np.uint64(count)
    return out


def written(places: np.ndarray) -> pa.Array:
    """Texts of code points of shape (rows, places), large_string."""
    rows, width = places.shape
    if places.max(initial=0) > 127:
        return pa.array(np.ascontiguousarray(places).view(f"<U{width}")[:, 0]).cast(pa.large_string())
    ends = pa.py_buffer(np.arange(rows + 1, dtype=np.int64) * width)
    content = pa.py_buffer(np.ascontiguousarray(places, np.uint8))
    return pa.LargeStringArray.from_buffers(rows, ends, content)


class _Reader:
    """The forms of a pattern, sign after sign."""

    def __init__(self, text: str):
        self.text, self.at = text, 0
        if text.startswith("^"):
            self.at = 1
        if text.endswith("$") and not text.endswith("\\$"):
            self.text = text[:-1]

    def all(self) -> list[Form]:
        found = self._choice()
        if self.at < len(self.text):
            raise self._mistake(f"'{self._next}' has no meaning")
        if not any(found):
            raise self._mistake("it stands for no text")
        return found

    @property
    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _take(self) -> str:
        sign = self._next
        if not sign:
            raise self._mistake("it ends too early")
        self.at += 1
        return sign

    def _choice(self) -> list[Form]:
        found = self._sequence()
        while self._next == "|":
            self.at += 1
            found = found + self._sequence()
        return self._few(list(dict.fromkeys(found)))

    def _sequence(self) -> list[Form]:
        found: list[Form] = [()]
        while self._next and self._next not in "|)":
            found = self._joined(found, self._repeated(self._one()))
        return found

    def _one(self) -> list[Form]:
        sign = self._take()
        if sign == "(":
            if self.text.startswith("?:", self.at):
                self.at += 2
            found = self._choice()
            if self._take() != ")":
                raise self._mistake("')' is missing")
            return found
        if sign == "[":
            return [(self._class(),)]
        if sign == ".":
            return [(PRINTED,)]
        if sign == "\\":
            return [(self._escaped(),)]
        if sign in SPECIAL:
            raise self._mistake(f"'{sign}' has no meaning here; write '\\{sign}' for the sign itself")
        return [(sign,)]

    def _escaped(self) -> str:
        sign = self._take()
        if sign in CLASSES:
            return CLASSES[sign]
        if sign.isalnum():
            raise self._mistake(f"'\\{sign}' is not known")
        return sign

    def _class(self) -> str:
        others, found = self._next == "^", ""
        self.at += others
        while (sign := self._take()) != "]":
            signs = self._escaped() if sign == "\\" else sign
            if (
                self._next == "-"
                and self.text[self.at + 1 : self.at + 2] not in ("]", "")
                and len(signs) == 1
            ):
                self.at += 1
                last = self._take()
                last = self._escaped() if last == "\\" else last
                if len(last) != 1 or not signs <= last:
                    raise self._mistake(f"'{signs}-{last}' is no range")
                signs = "".join(map(chr, range(ord(signs), ord(last) + 1)))
            found += signs
        known = "".join(dict.fromkeys(found))
        known = "".join(sign for sign in PRINTED if sign not in known) if others else known
        if not 0 < len(known) <= MOST_CLASS:
            raise self._mistake(f"a class in [] has {len(known):,} signs, and 1 to {MOST_CLASS:,} may be")
        return known

    def _repeated(self, forms: list[Form]) -> list[Form]:
        """Forms that come as often as the signs behind them say."""
        if self._next and self._next in "*+":
            raise self._mistake(f"'{self._next}' has no end; write how often, such as {{1,8}}")
        if self._next == "?":
            self.at += 1
            return self._few([(), *forms])
        if self._next != "{":
            return forms
        inside, closed, _ = self.text[self.at + 1 :].partition("}")
        low, comma, high = inside.partition(",")
        most = high if comma else low
        if not closed or not all(n.isascii() and n.isdigit() and len(n) < 4 for n in (low, most)):
            raise self._mistake(f"'{{{inside}}}' is no number of times, such as {{3}} or {{2,4}}")
        self.at += len(inside) + 2
        found: list[Form] = []
        some: list[Form] = [()]
        for times in range(int(most) + 1):
            if times >= int(low):
                found += some
            if times < int(most):
                some = self._joined(some, forms)
        return self._few(list(dict.fromkeys(found)))

    def _joined(self, heads: list[Form], tails: list[Form]) -> list[Form]:
        if len(heads) * len(tails) > MOST_FORMS:
            self._few([()] * (MOST_FORMS + 1))
        found = [head + tail for head, tail in product(heads, tails)]
        if any(len(form) > MOST_SIGNS for form in found):
            raise self._mistake(f"its texts have more than {MOST_SIGNS} signs")
        return found

    def _few(self, forms: list[Form]) -> list[Form]:
        if len(forms) > MOST_FORMS:
            raise self._mistake(f"it has more than {MOST_FORMS:,} forms")
        return forms

    def _mistake(self, reason: str) -> ValueError:
        return ValueError(f"pattern '{self.text}' cannot be used: {reason} (at sign {self.at})")
