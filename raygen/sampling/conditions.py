"""The language of `generate.where` and `generate.per`: a text to conditions on single columns, all of which a
row must satisfy.

    conditions  condition AND condition AND ...
    condition   COLUMN = VALUE | != | <> | < | <= | > | >=          VALUE  'text', 12.5, true or false
                COLUMN [NOT] IN (VALUE, VALUE, ...)
                COLUMN BETWEEN LOW AND HIGH                         both ends belong to it
                COLUMN IS [NOT] NULL
As in SQL, a missing value satisfies IS NULL alone, a quote inside a text is doubled, and a column's name may
stand in double quotes.
"""

import re
from typing import NamedTuple

from raygen.errors import ConfigError

COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
HINT = (
    "write it as --where \"income = '>50K' AND age BETWEEN 30 AND 40\": AND joins, text stands in "
    "single quotes."
)
MOST_ROWS = 2**53
_TOKEN = re.compile(
    r"""(?P<text>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")+")
      | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
      | (?P<name>[^\W\d][\w.-]*)
      | (?P<sign><=|>=|<>|!=|==|[=<>(),])""",
    re.VERBOSE,
)


class Value(NamedTuple):
    """A value as it was written; `kind` is "text", "number" or "truth"."""

    written: str
    kind: str

    def __str__(self) -> str:
        return "'" + self.written.replace("'", "''") + "'" if self.kind == "text" else self.written


class Condition(NamedTuple):
    """What one column must satisfy: `sign` is one of COMPARISONS, "in", "not in", "between", "is null" or "is
    not null"."""

    column: str
    sign: str
    values: tuple[Value, ...] = ()

    def __str__(self) -> str:
        name = (
            self.column
            if re.fullmatch(r"[^\W\d][\w.-]*", self.column)
            else '"' + self.column.replace('"', '""') + '"'
        )
        if self.sign in ("in", "not in"):
            return f"{name} {self.sign.upper()} ({', '.join(map(str, self.values))})"
        return " ".join(
            [name, self.sign.upper(), *(" AND ".join(map(str, self.values)),) * bool(self.values)]
        )


def parse(text: str) -> list[Condition]:
    """The conditions of a text; none of an empty one.

    Raises:
        ConfigError: If the text is not of this language.
    """
    reader = _Reader(text)
    conditions: list[Condition] = []
    while reader.left:
        if conditions:
            reader.word("and")
        conditions.append(_condition(reader))
    return conditions


def spelled(text: str) -> str:
    """The conditions of a text in one spelling, which tells them from others."""
    return " AND ".join(map(str, parse(text)))


def spelled_per(text: str) -> str:
    """What `per` asks for in one spelling; empty if it asks for nothing."""
    return "{}={}".format(*parse_per(text)) if text.strip() else ""


def parse_per(text: str) -> tuple[str, int]:
    """`"income=10000"` to the column and the number of rows of each of its categories.

    Raises:
        ConfigError: If it is not of this form, or no number of rows.
    """
    column, _, count = (part.strip() for part in text.rpartition("="))
    try:
        rows = float(count)
    except ValueError:
        rows = -1.0
    if not column or not 1 <= rows < MOST_ROWS or rows != int(rows):
        raise ConfigError(
            f"generate.per = {text!r}: expected a column and a number of rows.",
            "write it as --per income=10000.",
        )
    return column, int(rows)


def _condition(reader: "_Reader") -> Condition:
    kind, column = reader.take("name", "quoted")
    if kind == "quoted":
        column = column[1:-1].replace('""', '"')
    kind, sign = reader.take("sign", "name")
    sign = {"==": "=", "<>": "!="}.get(sign, sign).lower()
    if sign in COMPARISONS:
        return Condition(column, sign, (_value(reader),))
    if sign == "between":
        low = _value(reader)
        reader.word("and")
        return Condition(column, sign, (low, _value(reader)))
    if sign == "is":
        negated = reader.word("not", "null") == "not"
        if negated:
            reader.word("null")
        return Condition(column, "is not null" if negated else "is null")
    if sign == "not":
        sign = f"not {reader.word('in')}"
    if sign not in ("in", "not in"):
        raise reader.mistake("=, <, IN, BETWEEN or IS")
    reader.sign("(")
    values = [_value(reader)]
    while reader.sign(",", ")") == ",":
        values.append(_value(reader))
    return Condition(column, sign, tuple(values))


def _value(reader: "_Reader") -> Value:
    kind, text = reader.take("text", "number", "name")
    if kind == "text":
        return Value(text[1:-1].replace("''", "'"), "text")
    if kind == "number":
        return Value(text, "number")
    if text.lower() not in ("true", "false"):
        raise reader.mistake(f"a value: '{text}' in single quotes, a number, true or false")
    return Value(text.lower(), "truth")


class _Reader:
    """The tokens of a text, one after the other."""

    def __init__(self, text: str):
        self.text, self.at, self.before = text.rstrip(), 0, 0

    @property
    def left(self) -> bool:
        return self.at < len(self.text)

    def take(self, *kinds: str) -> tuple[str, str]:
        rest = self.text[self.at :]
        self.before = self.at + len(rest) - len(rest.lstrip())
        found = _TOKEN.match(self.text, self.before)
        if not found or found.lastgroup not in kinds:
            words = {
                "name": "a word",
                "quoted": "a column",
                "sign": "a sign",
                "text": "text in single quotes",
                "number": "a number",
            }
            raise self.mistake(" or ".join(words[k] for k in kinds))
        self.at = found.end()
        return str(found.lastgroup), found.group()

    def word(self, *words: str) -> str:
        return self._one_of("name", words)

    def sign(self, *signs: str) -> str:
        return self._one_of("sign", signs)

    def _one_of(self, kind: str, allowed: tuple[str, ...]) -> str:
        try:
            found = self.take(kind)[1].lower()
        except ConfigError:
            found = ""
        if found not in allowed:
            raise self.mistake(" or ".join(a.upper() for a in allowed))
        return found

    def mistake(self, expected: str) -> ConfigError:
        rest = self.text[self.before :]
        place = f"before '{rest[:20]}'" if rest else "at its end"
        return ConfigError(f"generate.where = {self.text!r}: expected {expected} {place}.", HINT)
