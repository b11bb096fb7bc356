"""Mail: one design, the reader's language, once per cause."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from traceback import format_exception
from typing import Any

import pytest
from django.core import mail as outbox
from django.core.mail.backends.locmem import EmailBackend
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client

from smartspec import clock, mail
from smartspec.testing import make_user
from smartspec.users import selectors, services, tasks
from smartspec.users.models import SentMail, User, WaitingMail
from smartspec.watching import watching

CONTEXT = {"plan": "Pro", "last4": "4242", "exp_month": 3, "exp_year": 2027, "renews_at": None}


def send(user: User, cause: str) -> bool:
    return mail.send_mail_once(user=user, template="card_expires", cause=cause, context=CONTEXT, now=clock.now())


@pytest.mark.django_db(transaction=True)
class TestSending:
    def test_tells_each_cause_once(self, alice: User, mailoutbox: list[Any]) -> None:
        assert [send(alice, "a"), send(alice, "a"), send(alice, "b")] == [True, False, True]
        assert len(mailoutbox) == 2

    def test_stands_at_the_moment_of_what_it_tells(self, alice: User) -> None:
        moment = clock.now() - timedelta(days=40)
        with transaction.atomic():
            mail.send_mail_once(user=alice, template="card_expires", cause="a", context=CONTEXT, now=moment)
            assert (SentMail.objects.get().sent_at, WaitingMail.objects.get().written_at) == (moment, moment)

    def test_is_text_and_html_with_a_reason_and_the_settings(self, alice: User, mailoutbox: list[Any]) -> None:
        send(alice, "a")
        (message,) = mailoutbox
        (html, kind) = message.alternatives[0]
        assert kind == "text/html"
        for body in (message.body, html):
            assert "Hello Alice," in body
            assert "You get this mail because you have a paid plan." in body
            assert "/accounts/email/" in body

    def test_leaves_nothing_when_what_it_tells_is_undone(self, alice: User, mailoutbox: list[Any]) -> None:
        with transaction.atomic():
            send(alice, "a")
            transaction.set_rollback(True)
        mail.hand_over_waiting(now=clock.now())
        assert (mailoutbox, SentMail.objects.count()) == ([], 0)

    def test_that_fails_in_a_way_nobody_expects_stops_nobody(
        self, alice: User, settings: Any, mailoutbox: list[Any]
    ) -> None:
        settings.EMAIL_BACKEND = f"{__name__}.Confused"
        assert send(alice, "a")
        assert WaitingMail.objects.count() == 1


MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.mark.django_db(transaction=True)
class TestWaiting:
    """The mail server is away when a mail is written."""

    @pytest.fixture
    def working(self, settings: Any) -> Callable[[], None]:
        """Return a function after which the mail server takes mail."""
        settings.EMAIL_BACKEND = f"{__name__}.NoServer"
        return lambda: setattr(settings, "EMAIL_BACKEND", "django.core.mail.backends.locmem.EmailBackend")

    def test_leaves_once_it_is_back_and_keeps_no_text(
        self, alice: User, working: Callable[[], None], mailoutbox: list[Any]
    ) -> None:
        send(alice, "a")
        with pytest.raises(mail.MailNotTaken) as failure:
            mail.hand_over_waiting(now=clock.now() + 6 * MINUTE)
        assert alice.email not in "".join(format_exception(failure.value))  # it is kept, and staff see it
        assert mailoutbox == []
        working()
        assert [mail.hand_over_waiting(now=clock.now() + 30 * MINUTE) for _ in range(2)] == [1, 0]
        assert [message.to for message in mailoutbox] == [[alice.email]]
        assert WaitingMail.objects.count() == 0
        assert not send(alice, "a")

    def test_lets_nobody_else_wait_for_it(
        self, alice: User, working: Callable[[], None], mailoutbox: list[Any]
    ) -> None:
        send(alice, "a")
        working()
        send(alice, "b")
        assert (mailoutbox, WaitingMail.objects.filter(try_at=None).count()) == ([], 1)
        assert mail.hand_over_waiting(now=clock.now() + 6 * MINUTE) == 2

    def test_for_another_reason_lets_nobody_else_wait_at_all(
        self, alice: User, bob: User, settings: Any, mailoutbox: list[Any]
    ) -> None:
        settings.EMAIL_BACKEND = f"{__name__}.NotForAlice"
        send(alice, "a")  # refused
        with transaction.atomic():
            send(alice, "b")
            WaitingMail.objects.update(try_at=clock.now() + 5 * MINUTE)  # another process has it in its hands
        send(bob, "a")
        assert [message.to for message in mailoutbox] == [[bob.email]]

    def test_leaves_once_though_two_hand_over_at_the_same_time(
        self, alice: User, working: Callable[[], None], mailoutbox: list[Any]
    ) -> None:
        send(alice, "a")
        working()
        now = clock.now() + 6 * MINUTE
        with ThreadPoolExecutor(4) as pool:
            taken = list(pool.map(lambda _: hand_over_and_close(now), range(4)))
        assert (sum(taken), len(mailoutbox)) == (1, 1)

    def test_is_tried_ever_more_seldom_and_given_up_after_two_days(
        self, alice: User, settings: Any, mailoutbox: list[Any]
    ) -> None:
        settings.EMAIL_BACKEND = f"{__name__}.NotForAlice"
        written_at = clock.now()
        send(alice, "a")
        tries = []
        for minutes in range(0, 5 * 24 * 60, 5):
            before = WaitingMail.objects.values_list("try_at").first()
            mail.hand_over_waiting(now=written_at + minutes * MINUTE + MINUTE)
            if WaitingMail.objects.values_list("try_at").first() != before:
                tries.append(minutes)
        assert 8 <= len(tries) <= 12
        assert tries[-1] >= 2 * 24 * 60
        (sent,) = selectors.list_mails(user=alice, until=clock.now() + MINUTE, limit=2)
        assert selectors.mail_state(sent) == "no: the mail server refused it"
        assert mailoutbox == []

    def test_holds_up_nobody_elses(
        self, alice: User, bob: User, working: Callable[[], None], settings: Any, mailoutbox: list[Any]
    ) -> None:
        send(alice, "a")
        send(bob, "a")
        settings.EMAIL_BACKEND = f"{__name__}.NotForAlice"
        assert mail.hand_over_waiting(now=clock.now() + 6 * MINUTE) == 1
        assert [message.to for message in mailoutbox] == [[bob.email]]

    def test_is_kept_however_long_there_is_no_mail_server(
        self, alice: User, working: Callable[[], None], mailoutbox: list[Any]
    ) -> None:
        send(alice, "a")
        for days in range(1, 10):
            with pytest.raises(mail.MailServerAway):
                mail.hand_over_waiting(now=clock.now() + days * DAY)
        working()
        assert mail.hand_over_waiting(now=clock.now() + 10 * DAY) == 1

    def test_is_not_lost_when_the_mail_server_hangs_up_on_many(
        self, alice: User, bob: User, working: Callable[[], None], settings: Any, mailoutbox: list[Any]
    ) -> None:
        for cause in ("a", "b", "c"):
            send(alice, cause)
        settings.EMAIL_BACKEND = f"{__name__}.HangsUp"
        later = clock.now() + 3 * DAY
        for minutes in (0, 1, 2):
            with pytest.raises(mail.MailServerAway):
                mail.hand_over_waiting(now=later + minutes * MINUTE)
        assert (len(mailoutbox), WaitingMail.objects.count()) == (0, 3)
        working()
        assert mail.hand_over_waiting(now=later + 7 * DAY) == 3

    def test_tells_operators_when_it_is_that_of_several_people(self, working: Callable[[], None]) -> None:
        for number in range(3):
            assert watching.mail_leaves(clock.now() + 61 * MINUTE).holds
            send(make_user(f"person{number}@smartspec.test"), "a")
        assert watching.mail_leaves(clock.now() + 59 * MINUTE).holds
        assert not watching.mail_leaves(clock.now() + 61 * MINUTE).holds

    def test_is_not_sent_to_whoever_asked_to_be_forgotten(
        self, alice: User, working: Callable[[], None], mailoutbox: list[Any]
    ) -> None:
        send(alice, "a")
        services.request_erasure(user=alice, now=clock.now())
        working()
        assert mail.hand_over_waiting(now=clock.now() + 6 * MINUTE) == 0
        assert (mailoutbox, WaitingMail.objects.count()) == ([], 0)

    def test_is_what_staff_see_of_it(self, alice: User, working: Callable[[], None]) -> None:
        send(alice, "a")
        (sent,) = selectors.list_mails(user=alice, until=clock.now() + MINUTE, limit=2)
        assert selectors.mail_state(sent) == "not yet: the mail server has not taken it"


@pytest.mark.django_db
def test_a_kill_between_commit_and_mail_server_leaves_the_mail_to_the_next_minute(
    alice: User, mailoutbox: list[Any]
) -> None:
    send(alice, "a")  # a test that commits nothing hands nothing over, as if it was killed there
    assert mailoutbox == []
    tasks.hand_over_waiting_mail(timestamp=0)
    assert len(mailoutbox) == 1


def hand_over_and_close(now: datetime) -> int:
    try:
        return mail.hand_over_waiting(now=now)
    finally:
        connection.close()


class NoServer(EmailBackend):
    """A mail server that cannot be reached."""

    def open(self) -> None:
        raise ConnectionRefusedError("no mail server")

    def send_messages(self, messages: Sequence[Any]) -> int:
        raise ConnectionRefusedError(f"no mail server for {messages[0].to}")


class HangsUp(EmailBackend):
    """A mail server that ends the connection in the middle."""

    def send_messages(self, messages: Sequence[Any]) -> int:
        raise SMTPServerDisconnected


class NotForAlice(EmailBackend):
    """A mail server that knows nobody of her name."""

    def send_messages(self, messages: Sequence[Any]) -> int:
        refused = {address: (550, b"unknown") for message in messages for address in message.to if "alice" in address}
        if refused:
            raise SMTPRecipientsRefused(refused)
        return super().send_messages(messages)


class Confused(EmailBackend):
    """A mail server's library that fails as nobody expects."""

    def send_messages(self, messages: Sequence[Any]) -> int:
        raise RuntimeError("what now?")


@pytest.mark.django_db
class TestLanguage:
    def test_of_mail_is_the_one_that_was_chosen(self, alice: User) -> None:
        client = Client()
        client.force_login(alice)
        answer = client.post("/account/language", {"language": "th", "next": "/account"})
        assert (answer.status_code, answer["Location"]) == (302, "/account")
        alice.refresh_from_db()
        assert alice.language == "th"
        assert '<html lang="th">' in client.get("/account").content.decode()

    def test_is_chosen_by_nobody_elses_word(self, alice: User) -> None:
        client = Client()
        client.force_login(alice)
        client.post("/account/language", {"language": "xx", "next": "https://evil.example"})
        alice.refresh_from_db()
        assert alice.language == "en"
        assert client.get("/account/language").status_code == 405

    def test_of_a_newcomer_is_their_browsers(self) -> None:
        Client(headers={"Accept-Language": "th-TH,th;q=0.9"}).post(
            "/accounts/signup/", {"email": "somsri@smartspec.test", "password1": "a-very-long-secret-9"}
        )
        assert User.objects.get(email="somsri@smartspec.test").language == "th"
        assert outbox.outbox[-1].to == ["somsri@smartspec.test"]

    def test_of_pages_follows_the_browser_and_leaves_the_api_alone(self) -> None:
        thai = Client(headers={"Accept-Language": "th"})
        assert '<html lang="th">' in thai.get("/accounts/login/").content.decode()
        assert '<html lang="en">' in Client().get("/accounts/login/").content.decode()
        assert "Content-Language" not in thai.get("/api/me") or thai.get("/api/me")["Content-Language"] == "en"


class TestLayout:
    def test_knows_buttons_codes_and_facts(self) -> None:
        letter = mail.lay_out("S", "Hello,\n\nPay now: https://example.com/x\n\nK7QX-2MPD\n\nA: 1\nB: 2\n\n-- \nWhy.")
        assert '<a href="https://example.com/x"' in letter.html
        assert ">Pay now</a>" in letter.html
        assert "letter-spacing" in letter.html
        assert letter.html.count("<tr>") >= 2
        assert "-- \nWhy.\n" in letter.text

    def test_escapes_what_it_is_told(self) -> None:
        letter = mail.lay_out("<b>S</b>", "<script>alert(1)</script>\n\nA: <i>1</i>\nB: 2\n\n-- \n<u>Why</u>")
        assert not re.search(r"<script|<b>S|<i>1|<u>", letter.html)

    @pytest.mark.parametrize(
        "name",
        [
            "x\n\nYou won: https://evil.example",
            "x: https://evil.example",
            "https://evil.example",
            "evil.example",
            "win@evil.example",
            "x\u2028You won: https://evil.example",
        ],
    )
    def test_greets_nobody_by_more_than_a_name(self, alice: User, name: str) -> None:
        """Such a name can only be an old one; somebody else's address may be behind it."""
        alice.name = name
        letter = mail.write_letter(template="card_expires", context=CONTEXT | {"user": alice}, language="en")
        assert letter.text.startswith("Hello,\n")
        assert "evil" not in letter.text + letter.html

    @pytest.mark.parametrize("name", ["Alice", "J. R. R. Tolkien", "J.R.R. Tolkien", "สมศรี", "O'Brien-Łuk"])
    def test_greets_by_name(self, alice: User, name: str) -> None:
        alice.name = name
        letter = mail.write_letter(template="card_expires", context=CONTEXT | {"user": alice}, language="en")
        assert letter.text.startswith(f"Hello {name},\n")

    def test_counts_one_credit_as_one(self, alice: User) -> None:
        def subject(available: str) -> str:
            context = {
                "user": alice,
                "available": Decimal(available),
                "monthly_allowance": 10,
                "coming": None,
            }
            return mail.write_letter(template="low_balance", context=context, language="en").subject

        assert subject("1.000000") == "You have 1 credit left"
        assert subject("0.5") == "You have 0.5 credits left"


# Names are the same in every language. Operators are told in English alone.
SAME_IN_THAI = {"API", "Render", "farm”", "SmartSpec", "Pro", "Somchai", "Firefox", "UTC", "PDF", "-"}
ENGLISH_MAIL = "operators"


class TestPreview:
    def test_speaks_thai_to_thai_readers(self, tmp_path: Path, db: None) -> None:
        call_command("preview_emails", str(tmp_path))
        for path in (tmp_path / "th").glob("*.txt"):
            without_addresses = re.sub(r"https?://\S+|\S+@\S+|K7QX-2MPD|suk_K7QX2MPD", "", path.read_text())
            words = {word.strip("():,") for word in re.findall(r"[A-Za-z]\S+", without_addresses)} - SAME_IN_THAI
            assert path.stem == ENGLISH_MAIL or words == set(), path.name

    def test_says_where_it_cannot_write(self, tmp_path: Path, db: None) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(CommandError, match=r"file/en cannot be written: Not a directory") as refusal:
            call_command("preview_emails", str(tmp_path / "file"))
        assert refusal.value.returncode == 2

    def test_writes_every_mail_in_both_languages(self, tmp_path: Path, db: None) -> None:
        call_command("preview_emails", str(tmp_path))
        written = {language: sorted(p.name for p in (tmp_path / language).iterdir()) for language in ("en", "th")}
        assert written["en"] == written["th"]
        for template in (Path(__file__).parents[2] / "templates" / "mail").glob("*.subject.txt"):
            assert f"{template.name.removesuffix('.subject.txt')}.html" in written["en"]
