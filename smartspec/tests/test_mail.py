"""Mail: one design, the reader's language, once per cause."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from traceback import format_exception
from typing import Any

import pytest
from django.core import mail as outbox
from django.core.management import call_command
from django.db import connection
from django.test import Client

from smartspec import mail
from smartspec.users import tasks
from smartspec.users.models import SentMail, User, WaitingMail

CONTEXT = {"plan": "Pro", "last4": "4242", "exp_month": 3, "exp_year": 2027, "renews_at": None}


def send(user: User, cause: str) -> bool:
    return mail.send_mail_once(user=user, template="card_expires", cause=cause, context=CONTEXT)


@pytest.mark.django_db(transaction=True)
class TestSending:
    def test_tells_each_cause_once(self, alice: User, mailoutbox: list[Any]) -> None:
        assert [send(alice, "a"), send(alice, "a"), send(alice, "b")] == [True, False, True]
        assert len(mailoutbox) == 2

    def test_is_text_and_html_with_a_reason_and_the_settings(self, alice: User, mailoutbox: list[Any]) -> None:
        send(alice, "a")
        (message,) = mailoutbox
        (html, kind) = message.alternatives[0]
        assert kind == "text/html"
        for body in (message.body, html):
            assert "Hello Alice," in body
            assert "You get this mail because you have a paid plan." in body
            assert "/accounts/email/" in body

    def test_waits_for_a_mail_server_that_is_away_and_leaves_once(
        self, alice: User, settings: Any, mailoutbox: list[Any]
    ) -> None:
        settings.EMAIL_BACKEND = "smartspec.tests.test_mail.NoServer"
        assert send(alice, "a")
        mail_id = SentMail.objects.get().pk
        with pytest.raises(mail.MailNotTaken) as failure:
            tasks.hand_over_mail(mail_id)
        assert alice.email not in "".join(format_exception(failure.value))  # it is kept, and staff see it
        assert mailoutbox == []
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        for _ in range(2):
            tasks.hand_over_mail(mail_id)
        assert [message.to for message in mailoutbox] == [[alice.email]]
        assert not send(alice, "a")

    def test_keeps_no_text_of_what_has_left(self, alice: User, mailoutbox: list[Any]) -> None:
        send(alice, "a")
        assert (len(mailoutbox), WaitingMail.objects.count()) == (1, 0)
        call_command("procrastinate", "worker", "--one-shot")  # its job comes later, and finds nothing to do
        assert len(mailoutbox) == 1


@pytest.mark.django_db
class TestKilled:
    """What no test commits, is as if the web server or the worker was killed when its transaction had committed."""

    def test_between_commit_and_mail_server_leaves_the_mail_to_its_job(
        self, alice: User, mailoutbox: list[Any], run_jobs: Callable[[], int]
    ) -> None:
        send(alice, "a")
        assert mailoutbox == []
        with connection.cursor() as cursor:  # a minute later
            cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now()")
        assert (run_jobs(), len(mailoutbox)) == (1, 1)

    def test_and_forgotten_gets_no_mail(self, alice: User, mailoutbox: list[Any]) -> None:
        send(alice, "a")
        mail_id = SentMail.objects.get().pk
        alice.sentmail_set.all().delete()  # what an erasure does
        tasks.hand_over_mail(mail_id)
        assert mailoutbox == []


class NoServer:
    """A mail server that cannot be reached."""

    def __init__(self, **options: Any) -> None: ...

    def send_messages(self, messages: list[Any]) -> int:
        raise ConnectionRefusedError(f"no mail server for {messages[0].to}")


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
SAME_IN_THAI = {"SmartSpec", "Pro", "Somchai", "Firefox", "UTC", "PDF", "-"}
ENGLISH_MAIL = "operators"


class TestPreview:
    def test_speaks_thai_to_thai_readers(self, tmp_path: Path, db: None) -> None:
        call_command("preview_emails", str(tmp_path))
        for path in (tmp_path / "th").glob("*.txt"):
            without_addresses = re.sub(r"https?://\S+|\S+@\S+|K7QX-2MPD", "", path.read_text())
            words = {word.strip("():,") for word in re.findall(r"[A-Za-z]\S+", without_addresses)} - SAME_IN_THAI
            assert path.stem == ENGLISH_MAIL or words == set(), path.name

    def test_writes_every_mail_in_both_languages(self, tmp_path: Path, db: None) -> None:
        call_command("preview_emails", str(tmp_path))
        written = {language: sorted(p.name for p in (tmp_path / language).iterdir()) for language in ("en", "th")}
        assert written["en"] == written["th"]
        for template in (Path(__file__).parents[2] / "templates" / "mail").glob("*.subject.txt"):
            assert f"{template.name.removesuffix('.subject.txt')}.html" in written["en"]
