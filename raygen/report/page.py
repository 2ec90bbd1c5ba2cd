"""HTML pages that stand alone: templates filled, and sentences typeset."""

import base64
import hashlib
import html
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup


def fill(template: str, **view: Any) -> str:
    """The text of a template of `raygen/report/templates`; every value is escaped, and a name that the view
    lacks is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    page = Environment(
        loader=PackageLoader("raygen.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters["typeset"] = typeset
    return page.get_template(template).render(**view)


def typeset(text: str) -> "Markup":
    """Escape a sentence, then give it true plus-minus and minus signs, and `code` its mark."""
    from markupsafe import Markup

    text = html.escape(str(text)).replace(" +- ", "\u00a0\u00b1\u00a0").replace("N(0, I)", "N(0,\u00a0I)")
    text = re.sub(r"(?<![\w.])-(?=\d)", "\u2212", text)
    text = re.sub(r"(?<=\d) %", "\u00a0%", text)
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", text))  # escaped above


def script() -> dict[str, str]:
    """The script of pages whose tables sort and whose theme switches: `code`, and its `digest` for the page's
    policy."""
    code = resources.files("raygen.report").joinpath("templates/report.js").read_text(encoding="utf-8")
    return {"code": code, "digest": base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}
