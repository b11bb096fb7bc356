"""What the tests of the hosted pages share: a browser without a script, and what it types."""

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from django.test import Client

TYPED = {
    "email": "alice@example.com",
    "cardNumber": "4242 4242 4242 4242",
    "cardExpiry": "12 / 34",
    "cardCvc": "123",
    "billingName": "Alice Doe",
}
# Inputs that a person fills in, and that therefore need a label.
LABELLED_TYPES = {"text", "email", "radio", "checkbox"}


class Page(HTMLParser):
    """A rendered page, as far as the rules for every page need it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.headings = 0
        self.mains = 0
        self.labels: set[str] = set()
        self.inputs: list[dict[str, str]] = []
        self.submits: list[dict[str, str]] = []
        self.scripts_and_styles: list[str] = []
        self.links: list[str] = []
        self.label_depth = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "h1":
            self.headings += 1
        if tag == "main":
            self.mains += 1
        if tag == "a":
            self.links.append(given.get("href", ""))
        if tag == "label":
            self.label_depth += 1
            self.labels.add(given.get("for", ""))
        if tag == "input" and given.get("type", "text") in LABELLED_TYPES:
            self.inputs.append(given | {"wrapped": "yes" if self.label_depth else ""})
        if tag == "button" and given.get("type", "submit") == "submit":
            self.submits.append(given)
        handlers = [name for name in given if name.startswith("on")]
        if tag in ("script", "style") or "style" in given or handlers:
            self.scripts_and_styles.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "label":
            self.label_depth -= 1

    @property
    def unlabelled(self) -> list[str]:
        return [each["name"] for each in self.inputs if not each["wrapped"] and each.get("id") not in self.labels]


def path_of(url: str | None) -> str:
    """Return the path of one of the sandbox's own URLs."""
    assert url is not None
    return urlsplit(url).path


def text_of(response: Any) -> str:
    return str(response.content.decode())


def pay(visitor: Client, url: str | None, **typed: Any) -> Any:
    """Fill in the card form and press the button."""
    return visitor.post(path_of(url), TYPED | typed)


def check_page(response: Any) -> Page:
    """Hold what every hosted page promises: one heading, one main part, labels, nothing inline, no cache."""
    page = Page(text_of(response))
    assert page.headings == 1
    assert page.mains == 1
    assert page.unlabelled == []
    assert page.scripts_and_styles == []
    assert "Sandbox" in text_of(response)
    assert response["Cache-Control"] == "no-store"
    return page
