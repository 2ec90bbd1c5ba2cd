"""What tests of a page share: a parser that checks it, its words, and a browser."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "br", "img", "hr", "input"}
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
FRAME = """<!DOCTYPE html><title>test</title>
<body><iframe width="{width}" height="800" srcdoc="{page}"></iframe><pre id="found"></pre><script>
const frame = document.querySelector("iframe");
frame.onload = () => {{
  const page = frame.contentDocument, root = page.documentElement;
  const entries = frame.contentWindow.performance.getEntriesByType("resource");
  const loaded = entries.map(e => e.name.slice(0, 20)).filter(n => !n.startsWith("data:"));
  document.getElementById("found").textContent = JSON.stringify((() => {{ {look} }})());
}};
</script>"""


class Page(HTMLParser):
    """Checks that tags are balanced and ids unique, and keeps text, tags and attributes."""

    def __init__(self, source: str):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(source)
        self.close()
        assert not self.open
        ids = [value for name, value in self.attributes if name == "id"]
        assert len(ids) == len(set(ids))
        uses = {
            u
            for name, value in self.attributes
            for u in re.findall(r"^#(.+)|url\(#(.+?)\)", value or "")
            if name != "href"
        }
        assert {a or b for a, b in uses} <= set(ids)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text += data


def plain(source: str) -> str:
    """The words of a page, as the terminal writes them."""
    text = Page(source).text.replace("\u00a0", " ").replace("\u00b1", "+-").replace("\u2212", "-")
    return " ".join(text.split())


def in_browser(source: str, look: str, folder: Path, width: int = 390):
    """Show a page in a frame and look at it.

    Args:
        source: The page.
        look: Body of a function in JavaScript; it knows `frame`, `page`, `root` and `loaded`, and returns
            what JSON can hold.
        folder: To put the page in.
        width: Of the frame in pixels; 390 is a phone's.

    Returns:
        What `look` returned, and what Chromium logged.
    """
    path = folder / "frame.html"
    path.write_text(FRAME.format(width=width, page=html.escape(source), look=look), encoding="utf-8")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        "--dump-dom",
    ]
    done = subprocess.run(
        [CHROMIUM, *options, path.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return json.loads(html.unescape(re.search(r'<pre id="found">(.+?)</pre>', done.stdout)[1])), done.stderr
