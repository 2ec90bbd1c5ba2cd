"""The words of the language of relations, each with its place in the text."""

import re
from typing import NamedTuple, NoReturn

from raygen.errors import ConfigError

HINT = (
    'write it as SQL writes an expression, such as "a + b", ">= x", "lookup(x)" or "0 where kind = \'a\'"; '
    "`raygen help relations` has them all."
)
_TOKEN = re.compile(
    r"""(?P<text>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")+"|`(?:[^`]|``)+`)
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
      | (?P<name>[^\W\d]\w*)
      | (?P<sign><=|>=|<>|!=|==|[=<>(),+*/-])""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"[^\W\d]\w*")
_WORDS = ("where", "and", "is", "not", "in", "missing", "null", "lookup", "true", "false", "at", "least")


class Token(NamedTuple):
    """A word: `kind` is text, quoted, number, name, sign or end; `place` counts characters from 1."""

    kind: str
    written: str
    place: int


def spelled(name: str) -> str:
    """A column's name as the language writes it."""
    return (
        name if _PLAIN.fullmatch(name) and name.lower() not in _WORDS else '"' + name.replace('"', '""') + '"'
    )


def mistake(column: str, text: str, place: int, expected: str, hint: str = HINT) -> ConfigError:
    """The error at a place of the text of a column's relation."""
    found = f"'{text[place - 1 :][:20]}'" if place <= len(text) else "its end"
    return ConfigError(
        f"schema.relations: column '{column}': is = {text!r}: at character {place}, {found}: "
        f"expected {expected}.",
        hint,
    )


class Reader:
    """Tokens of a column's text, taken one by one."""

    def __init__(self, column: str, text: str):
        self.column, self.text = column, text
        self.tokens = self._split()
        self.position = 0

    def _split(self) -> list[Token]:
        tokens, place = [], 0
        while place < len(self.text):
            if self.text[place].isspace():
                place += 1
                continue
            match = _TOKEN.match(self.text, place)
            if match is None:
                raise mistake(self.column, self.text, place + 1, "a column, a number, a 'text' or a sign")
            tokens.append(Token(str(match.lastgroup), match.group(), place + 1))
            place = match.end()
        return [*tokens, Token("end", "", len(self.text) + 1)]

    @property
    def next(self) -> Token:
        return self.tokens[self.position]

    @property
    def after(self) -> Token:
        return self.tokens[min(self.position + 1, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.next
        self.position += token.kind != "end"
        return token

    def sees(self, *written: str) -> bool:
        """Whether the next token is one of these signs or words."""
        return self.next.kind in ("sign", "name") and self.next.written.lower() in written

    def takes(self, *written: str) -> bool:
        """Take the next token if it is one of these."""
        seen = self.sees(*written)
        self.position += seen
        return seen

    def need(self, written: str) -> None:
        if not self.takes(written):
            self.fail(f"'{written}'")

    def fail(self, expected: str) -> NoReturn:
        raise mistake(self.column, self.text, self.next.place, expected)

    def name(self) -> str:
        """A column's name."""
        token = self.next
        if token.kind not in ("name", "quoted"):
            self.fail("a column")
        self.take()
        return unquoted(token)


def unquoted(token: Token) -> str:
    """What a quoted word says."""
    if token.kind not in ("quoted", "text"):
        return token.written
    quote = token.written[0]
    return token.written[1:-1].replace(quote * 2, quote)
