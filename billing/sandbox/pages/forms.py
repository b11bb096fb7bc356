"""The forms of the hosted pages, under Stripe's own field names, with the sentences that Stripe's customers read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from billing.sandbox import cards
from billing.sandbox.errors import CardDeclined
from billing.sandbox.services.checkout import CardFields, looks_like_email

CARD_FIELDS = ("cardNumber", "cardExpiry", "cardCvc")
# Stripe's parameter that an error names, and the input that it came from.
INPUTS = {
    "number": "cardNumber",
    "exp_month": "cardExpiry",
    "exp_year": "cardExpiry",
    "cvc": "cardCvc",
    "email": "email",
}


@dataclass
class PayerForm:
    """What every form asks: who pays."""

    email: str = ""
    name: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    refusal: str = ""

    def note(self, *, message: str, param: str) -> None:
        """This will show an error at the input that it came from, or above the form."""
        if name := INPUTS.get(param):
            self.errors.setdefault(name, message)
        else:
            self.refusal = message

    def check_payer(self, *, asks_email: bool, name_sentence: str) -> None:
        if asks_email and not self.email:
            self.errors["email"] = "Your email is required."
        elif asks_email and not looks_like_email(self.email):
            self.errors["email"] = "Your email is invalid."
        if not self.name:
            self.errors["billingName"] = name_sentence

    @property
    def focus(self) -> str:
        """The input that the browser puts the cursor in: the first one with an error."""
        order = ("email", *CARD_FIELDS, "billingName")
        return next((name for name in order if name in self.errors), "cardNumber" if self.refusal else "")


@dataclass
class CardForm(PayerForm):
    """A typed card."""

    number: str = ""
    expiry: str = ""
    cvc: str = ""

    @classmethod
    def read(cls, posted: Mapping[str, str]) -> "CardForm":
        return cls(
            email=posted.get("email", "").strip(),
            name=posted.get("billingName", "").strip(),
            number=posted.get("cardNumber", "").strip(),
            expiry=posted.get("cardExpiry", "").strip(),
            cvc=posted.get("cardCvc", "").strip(),
        )

    def is_valid(self, *, now: datetime, asks_email: bool) -> bool:
        """This will check every input, so that all that is wrong is seen at once."""
        self.check_payer(asks_email=asks_email, name_sentence="The name on your card is required.")
        self.check("number", lambda: cards.check_number(self.number))
        self.check("exp_month", lambda: cards.check_expiry(*cards.parse_expiry(self.expiry), now=now))
        digits = "".join(character for character in self.number if character.isdigit())
        self.check("cvc", lambda: cards.check_cvc(self.cvc, brand=cards.find_brand(digits)))
        return not self.errors

    def check(self, param: str, rule: Callable[[], object]) -> None:
        try:
            rule()
        except CardDeclined as error:
            self.note(message=error.message, param=error.param or param)

    @property
    def fields(self) -> CardFields:
        return CardFields(number=self.number, expiry=self.expiry, cvc=self.cvc, name=self.name, email=self.email)

    @property
    def card_errors(self) -> list[str]:
        return [self.errors[name] for name in CARD_FIELDS if name in self.errors]


@dataclass
class BankForm(PayerForm):
    """A chosen test account."""

    account_number: str = next(iter(cards.BANK_ACCOUNTS))

    @classmethod
    def read(cls, posted: Mapping[str, str]) -> "BankForm":
        return cls(
            email=posted.get("email", "").strip(),
            name=posted.get("billingName", "").strip(),
            account_number=posted.get("accountNumber", "").strip(),
        )

    def is_valid(self, *, asks_email: bool) -> bool:
        self.check_payer(asks_email=asks_email, name_sentence="The name of the account's holder is required.")
        return not self.errors
