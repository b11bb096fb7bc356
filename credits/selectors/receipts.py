"""Where an entry's credits came from or went to: its hold, and the lots that it touched."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from credits import ids
from credits.models import Entry, EntryType, Grant, Hold


@dataclass(frozen=True)
class LotShare:
    """How many of an entry's credits belong to a lot."""

    lot: Grant
    credits: Decimal


@dataclass(frozen=True)
class Receipt:
    """An entry with all that explains it. `grant` is the lot that it gave, if it gave one."""

    entry: Entry
    hold: Hold | None
    grant: Grant | None
    lots: tuple[LotShare, ...]


def get_receipt(*, account_id: UUID, entry_id: str) -> Receipt | None:
    """Return an entry of this account with its hold and lots; None for an unknown one, and for somebody else's."""
    parsed = ids.parse_entry_id(entry_id)
    if parsed is None or parsed.account_id != account_id:
        return None
    entry = Entry.objects.filter(account_id=account_id, number=parsed.number).first()
    if entry is None:
        return None
    hold = None
    numbers, credits = entry.lot_numbers or [], entry.lot_credits or []
    if entry.hold_number is not None:
        hold = Hold.objects.get(account_id=account_id, number=entry.hold_number)
        if entry.entry_type == EntryType.USAGE:
            numbers, credits = hold.lot_numbers, hold.lot_credits
    lots = {lot.number: lot for lot in Grant.objects.filter(account_id=account_id, number__in=[entry.number, *numbers])}
    spent = _in_burn_order(numbers, credits, abs(entry.delta_credits))
    return Receipt(
        entry=entry,
        hold=hold,
        grant=lots.get(entry.number),
        lots=tuple(LotShare(lots[number], share) for number, share in spent),
    )


def _in_burn_order(numbers: list[int], credits: list[Decimal], total: Decimal) -> list[tuple[int, Decimal]]:
    """Return what was really spent of each lot: the last taken were the first returned."""
    shares, left = [], total
    for number, taken in zip(numbers, credits, strict=True):
        share = min(taken, left)
        left -= share
        if share:
            shares.append((number, share))
    return shares
