"""What the texts of a column hold, if it is something other than words."""

import re

NEARLY = 0.97
TEXT_OF = {
    "numbers": re.compile(
        r"[-+(]?\s*[$€£¥]?\s*[-+(]?\s*(\d{1,3}([,.'\s]?\d{3})*([.,]\d+)?|-)\s*[%€$£]?\s*[-)]?"
        r"|[-+]?\d+([.,]\d+)?"
    ),
    "dates": re.compile(
        r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})([T ].*)?"
        r"|\d{1,2}\.?[- ][^\W\d_]{3,9}\.?[- ,]+(\d{4}|\d{2})|[A-Za-z]{3,9} \d{1,2},? \d{4}"
    ),
    "times": re.compile(r"-?\d+:\d\d(:\d\d([.,]\d+)?)?"),
    "coordinates": re.compile(r"[-+(]?\s*\d{1,3}\.\d+°?\s*[NS]?\s*[,; ]\s*[-+]?\d{1,3}\.\d+°?\s*[EW)]?"),
}


def held(names: list[str]) -> str:
    """What nearly all of some texts hold, by the names of `TEXT_OF`, and one that does not; "" for anything
    else."""
    for words, pattern in TEXT_OF.items():
        others = [name for name in names if not pattern.fullmatch(name.strip())]
        if words == "dates":
            others += [name for name in names if not name.strip("0-/. ") and name not in others]
        if len(others) <= (1 - NEARLY) * len(names) and names:
            return words + (f" but for '{others[0]}'" if others else "")
    return ""
