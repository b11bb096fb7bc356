"""How the hosted pages write money, days and intervals.

https://docs.stripe.com/currencies
"""

import pytest

from billing.sandbox import presentation
from billing.sandbox.pages import invoice_pdf


class TestFormatMoney:
    @pytest.mark.parametrize(
        ("amount", "currency", "written"),
        [
            (900, "usd", "$9.00"),
            (123456789, "usd", "$1,234,567.89"),
            (-5, "usd", "−$0.05"),
            (1000, "jpy", "¥1,000"),
            (30000, "thb", "฿300.00"),
            (1234, "kwd", "KWD 1.234"),
            (900, "chf", "CHF 9.00"),
        ],
    )
    def test_writes_the_currencys_own_decimals(self, amount: int, currency: str, written: str) -> None:
        assert presentation.format_money(amount, currency) == written


class TestInvoicePdf:
    def test_cannot_be_broken_out_of_by_a_name(self) -> None:
        document = invoice_pdf.write_invoice(
            merchant="A) Tj (B\\", facts=[("To", "สมชาย")], lines=[("x" * 200, "$1.00")], sums=[("Total", "$1.00")]
        )
        assert b"(A\\051 Tj \\050B\\134)" in document
        assert b"(?????)" in document

    def test_begins_another_page_where_one_is_full(self) -> None:
        lines = [(f"Line {number}", "$1.00") for number in range(100)]
        document = invoice_pdf.write_invoice(merchant="A", facts=[], lines=lines, sums=[("Total", "$1.00")])
        assert b"/Count 3" in document
        assert all(f"(Line {number})".encode() in document for number in range(100))
