"""What the ledger says of an entry, in the language of the page."""

import pytest
from django.utils import translation

from credits.templatetags.ledger_words import saying


@pytest.mark.parametrize(
    ("text", "thai"),
    [
        ("Basic: 1,000 credits", "Basic: 1,000 เครดิต"),
        ("Custom amount: 137 credits", "จำนวนที่เลือกเอง: 137 เครดิต"),
        ("Upgrade to Pro", "อัปเกรดเป็น Pro"),
        ("Pro credits for 1 March 2026 to 1 April 2026", "เครดิต Pro ช่วง 1 มีนาคม 2026 ถึง 1 เมษายน 2026"),
        ("Gift credits for 99 Foo 2026 to 1 Bar 2026", "เครดิต Gift ช่วง 99 Foo 2026 ถึง 1 Bar 2026"),
        ("Storage on 2026-03-01: 1.5 GB on average", "พื้นที่เก็บไฟล์วันที่ 1 มีนาคม 2026: เฉลี่ย 1.5 GB"),
        ("What an agent wrote", "What an agent wrote"),
    ],
)
def test_descriptions_are_read_in_thai(text: str, thai: str) -> None:
    with translation.override("th"):
        assert saying(text) == thai
