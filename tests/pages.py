"""Pages as tests read them: tags in order, headings, pictures, and the colours of a style."""

import itertools
import re
from html.parser import HTMLParser

Read = list[tuple[str, str | None]]
Attributes = dict[str, str]

VOID = {"meta", "br", "image", "rect", "path", "img", "link", "hr", "input"}


FETCH = {"script", "link", "iframe", "img", "object", "embed", "base", "form", "a"}
"""Tags that fetch, run or lead away."""


class Page(HTMLParser):
    """Collects the tags and the text of a page, and checks that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, Attributes]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Read) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Read) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def named(self, tag: str) -> list[Attributes]:
        return [attrs for name, attrs in self.tags if name == tag]


def needs_nothing(text: str) -> None:
    """Assert that a page fetches nothing: no script, no address, and a policy that forbids both."""
    page = Page(text)
    for tag, attrs in page.tags:
        assert tag not in FETCH
        for name, value in attrs.items():
            assert not name.startswith("on"), (tag, name)
            if name in {"src", "href", "xlink:href", "action", "data", "poster", "srcset"}:
                assert value.startswith("data:"), (tag, name, value)
    assert not re.search(r"@import|url\(|expression\(", "".join(styles(text)))
    (policy,) = [attrs["content"] for attrs in page.named("meta") if "http-equiv" in attrs]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def reads_well(text: str) -> None:
    """Assert that a page can be read by ear: headings, pictures and tables say what they are."""
    page = Page(text)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.named("html") == [{"lang": "en"}]
    pictures = re.findall(r"<svg[^>]*>.*?</svg>", text, flags=re.DOTALL)
    assert len(pictures) == len(page.named("svg"))
    for picture in pictures:
        if 'aria-hidden="true"' not in picture:
            assert 'role="img"' in picture
            assert re.search(r"<title>\s*\S.*?</title>\s*<desc>\s*\S.*?</desc>", picture, re.DOTALL)
    for head in page.named("th"):
        assert head["scope"] in {"row", "col"}
    assert len(page.named("caption")) == len(page.named("table"))


def styles(text: str) -> list[str]:
    """Return the style sheets of a page."""
    return re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL)


def variables(text: str) -> dict[str, str]:
    """Return the colours that the style of a page names."""
    return dict(re.findall(r"--(\w+):\s*(#[0-9a-fA-F]{6});", "".join(styles(text))))
