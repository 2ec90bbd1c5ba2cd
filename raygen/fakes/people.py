"""Names and mail addresses of people who do not exist."""

import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

POOL_OF = {"name": "name", "first_name": "first", "last_name": "last"}
PEOPLE = (*POOL_OF, "email")  # providers: in a row, those of one person
FAMILY_FIRST = {"zh_CN": "", "zh_TW": "", "ja_JP": "", "ko_KR": "", "hu_HU": " ", "vi_VN": " "}
DOMAINS = ("example.com", "example.net", "example.org")  # nobody's (RFC 2606, sec. 3)
NOBODY = "someone"  # whose name has no letter of ASCII


def full_name(first: str, last: str, locale: str) -> str:
    if locale in FAMILY_FIRST:
        return f"{last}{FAMILY_FIRST[locale]}{first}"
    return f"{first} {last}"


def slugs(first: pa.Array, last: pa.Array) -> pa.Array:
    """What a mail address has of each name, such as `anna.smith`."""
    pairs = zip(first.to_pylist(), last.to_pylist(), strict=True)
    found = [".".join(filter(None, map(_ascii, pair))) or NOBODY for pair in pairs]
    return pa.array(found, pa.large_string())


def mails(names: pa.Array, rows: np.ndarray, domain: pa.Array) -> pa.Array:
    """Mail addresses, each with the number of its row, counted from 1: no two are alike."""
    number = pa.array(rows + np.uint64(1)).cast(pa.large_string())
    ends = pa.array([f"@{one}" for one in DOMAINS], pa.large_string()).take(domain)
    return pc.binary_join_element_wise(names, number, ends, pa.scalar("", pa.large_string()))


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace("\N{LATIN SMALL LETTER SHARP S}", "ss"))
    return "".join(sign for sign in plain.lower() if sign.isascii() and sign.isalpha())
