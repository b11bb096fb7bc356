"""A one-page PDF of an invoice, written by hand: text in the reader's own Helvetica, a few rules, nothing else.

Text outside Western European writing needs an embedded font and is shown as question marks.
"""

from collections.abc import Sequence
from textwrap import wrap

WIDTH, HEIGHT, MARGIN = 595, 842, 56  # A4 in points
LINE = 16
# Widths of bold Helvetica in thousandths of its size, for what stands on the right; digits are as wide in plain.
GLYPH_WIDTHS = {"0123456789$€£¥": 556, ",. ": 278, "−-": 584, "ilftrIj": 330, "m": 889, "w": 778, "MW": 860}
SMALL_WIDTH, CAPITAL_WIDTH = 600, 690
DESCRIPTION_CHARACTERS = 70
LOWEST = 110

Pair = tuple[str, str]


def write_invoice(*, merchant: str, facts: Sequence[Pair], lines: Sequence[Pair], sums: Sequence[Pair]) -> bytes:
    """This will return the document; each pair is a name and what stands on its right."""
    page = Page()
    page.write(MARGIN, "Invoice", size=22, is_bold=True)
    page.write_right(merchant, size=12, is_bold=True)
    page.move(36)
    for name, value in facts:
        page.write(MARGIN, name, is_bold=True)
        page.write(MARGIN + 110, value)
        page.move(LINE)
    page.move(20)
    page.write(MARGIN, "Description", is_bold=True)
    page.write_right("Amount", is_bold=True)
    page.rule()
    for description, amount in lines:
        page.write_right(amount)
        for part in wrap(description, DESCRIPTION_CHARACTERS) or [""]:
            page.write(MARGIN, part)
            page.move(LINE)
        page.break_if_full()
    page.rule()
    for name, amount in sums:
        page.write(MARGIN + 280, name, is_bold=name == sums[-1][0])
        page.write_right(amount, is_bold=name == sums[-1][0])
        page.move(LINE)
        page.break_if_full()
    page.move(24)
    page.write(MARGIN, "Stripe sandbox: a test document. No real money was moved.", size=9)
    return assemble(page.contents)


class Page:
    """Writes from the top down and begins another page where one is full."""

    def __init__(self) -> None:
        self.contents: list[list[str]] = [[]]
        self.y: float = HEIGHT - MARGIN - 20

    def write(self, x: float, text: str, *, size: int = 10, is_bold: bool = False) -> None:
        font = "F2" if is_bold else "F1"
        self.contents[-1].append(f"BT /{font} {size} Tf {x:.2f} {self.y:.2f} Td ({escape(text)}) Tj ET")

    def write_right(self, text: str, *, size: int = 10, is_bold: bool = False) -> None:
        self.write(WIDTH - MARGIN - measure(text) * size, text, size=size, is_bold=is_bold)

    def rule(self) -> None:
        self.contents[-1].append(f"0.8 G 0.5 w {MARGIN} {self.y - 6} m {WIDTH - MARGIN} {self.y - 6} l S")
        self.move(LINE + 8)

    def move(self, points: float) -> None:
        self.y -= points

    def break_if_full(self) -> None:
        if self.y < LOWEST:
            self.contents.append([])
            self.y = HEIGHT - MARGIN - 20


def measure(text: str) -> float:
    """This will return about how wide a text is, in units of its size; exact for amounts."""
    widths = {character: width for characters, width in GLYPH_WIDTHS.items() for character in characters}
    return sum(widths.get(each, CAPITAL_WIDTH if each.isupper() else SMALL_WIDTH) for each in text) / 1000


def escape(text: str) -> str:
    """This will write a text as the inside of a PDF string in WinAnsi; a minus sign becomes a hyphen."""
    encoded = text.replace("−", "-").encode("cp1252", "replace").decode("latin-1")
    return "".join(
        f"\\{ord(character):03o}" if character in "()\\" or not " " <= character <= "~" else character
        for character in encoded
    )


def assemble(pages: Sequence[Sequence[str]]) -> bytes:
    """This will return a PDF file with these pages, each a list of drawing operators."""
    first_page = 5
    kids = " ".join(f"{first_page + 2 * number} 0 R" for number in range(len(pages)))
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        font.format("Helvetica"),
        font.format("Helvetica-Bold"),
    ]
    for number, operators in enumerate(pages):
        content = "\n".join(operators)
        resources = "<< /Font << /F1 3 0 R /F2 4 0 R >> >>"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Resources {resources} "
            f"/Contents {first_page + 2 * number + 1} 0 R >>",
            f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        ]
    document = "%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(document))
        document += f"{number} 0 obj\n{body}\nendobj\n"
    start = len(document)
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    document += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    document += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return document.encode("ascii")
