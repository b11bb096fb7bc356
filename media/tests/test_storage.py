"""The client of the bucket: what it gives its callers, and in which words it fails.

That it stores, reads, lists and deletes is proved with every kind of bucket, in `media/sandbox/tests/test_s3.py`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from media import watching
from media.sandbox.client import Body, send_in_process
from media.storage import (
    ExpiryInvalid,
    FileMissing,
    KeyInvalid,
    R2Client,
    StorageNotConfigured,
    StorageRefused,
    StorageUnavailable,
    get_r2_client,
)
from media.storage.boto import R2Storage
from media.tests.conftest import fetch
from smartspec import clock

KEY = "generations/user123/image_001.png"
OUTAGE = "media.tests.outage.refuse"
EVERY_CALL: list[Callable[[R2Client], Any]] = [
    lambda r2: r2.upload_file(file_path=__file__, key=KEY),
    lambda r2: r2.delete_file(KEY),
    lambda r2: r2.delete_files([KEY]),
    lambda r2: r2.file_exists(KEY),
    lambda r2: r2.get_file_info(KEY),
    lambda r2: list(r2.list_files()),
    lambda r2: r2.check(),
]


class TestUploadedFile:
    def test_is_there_until_it_is_deleted(self, r2: R2Client, tmp_path: Path) -> None:
        (tmp_path / "image.png").write_bytes(b"\x89PNG" * 1000)
        url = r2.upload_file(file_path=str(tmp_path / "image.png"), key=KEY, content_type="image/png")
        assert url.startswith(f"http://localhost:8000/sandbox/r2/smartspec-media/{KEY}?")
        assert fetch(url).getvalue() == b"\x89PNG" * 1000
        assert fetch(r2.generate_presigned_url(key=KEY, expires_in=3600))["Content-Type"] == "image/png"
        info = r2.get_file_info(KEY)
        assert (info.size_bytes, info.content_type) == (4000, "image/png")
        r2.delete_file(KEY)
        r2.delete_file(KEY)
        assert not r2.file_exists(KEY)
        with pytest.raises(FileMissing):
            r2.get_file_info(KEY)

    @pytest.mark.parametrize(
        ("name", "content_type"),
        [("a.mp4", "video/mp4"), ("a.mp3", "audio/mpeg"), ("a", "application/octet-stream")],
    )
    def test_has_the_type_of_its_name_unless_another_is_given(self, r2: R2Client, name: str, content_type: str) -> None:
        r2.upload_file(file_path=__file__, key=name)
        assert r2.get_file_info(name).content_type == content_type

    def test_of_a_path_that_leads_nowhere_is_not_made(self, r2: R2Client, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            r2.upload_file(file_path=tmp_path / "nothing.png", key=KEY)
        assert not r2.file_exists(KEY)

    def test_has_a_public_url_where_the_bucket_has_a_public_domain(self, settings: Any) -> None:
        settings.CLOUDFLARE_R2_PUBLIC_URL = "https://media.example.com"
        r2 = get_r2_client()
        url = r2.upload_file(file_path=__file__, key="a b/ü.png")
        assert url == "https://media.example.com/a%20b/%C3%BC.png"
        assert r2.generate_presigned_url(key="a b/ü.png").startswith("http://localhost:8000/sandbox/r2/")


class TestKey:
    @pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\nb", "a\x00", "a" * 1025])
    def test_that_could_lead_elsewhere_is_refused(self, r2: R2Client, key: str) -> None:
        for call in (
            lambda: r2.delete_file(key),
            lambda: r2.get_file_info(key),
            lambda: r2.generate_presigned_url(key=key),
            lambda: r2.generate_presigned_upload(key=key, content_type="image/png", size_bytes=1),
            lambda: r2.upload_file(file_path=__file__, key=key),
        ):
            with pytest.raises(KeyInvalid):
                call()


class TestPresignedUrl:
    @pytest.mark.parametrize("seconds", [0, -1, 7 * 86_400 + 1])
    def test_lives_between_a_second_and_a_week(self, r2: R2Client, seconds: int) -> None:
        with pytest.raises(ExpiryInvalid):
            r2.generate_presigned_url(key=KEY, expires_in=seconds)
        assert "X-Amz-Expires=604800" in r2.generate_presigned_url(key=KEY, expires_in=7 * 86_400)

    def test_never_carries_the_secret(self, r2: R2Client, settings: Any) -> None:
        assert settings.CLOUDFLARE_R2_SECRET_ACCESS_KEY not in r2.generate_presigned_url(key=KEY)


class TestBucketThatCannotBeUsed:
    def test_for_it_is_not_reached_is_unavailable(self, settings: Any) -> None:
        settings.R2_SANDBOX_TRANSPORT = OUTAGE
        for call in EVERY_CALL:
            with pytest.raises(StorageUnavailable):
                call(get_r2_client(is_impatient=True))

    def test_for_our_key_is_wrong_is_not_configured(self) -> None:
        stranger = R2Client(R2Storage(secret_key="x" * 40))
        for call in EVERY_CALL:
            with pytest.raises(StorageNotConfigured):
                call(stranger)

    def test_for_it_does_not_exist_is_not_configured(self) -> None:
        nowhere = R2Client(R2Storage(bucket_name="another-bucket"))
        for call in (R2Client.check, lambda r2: list(r2.list_files())):
            with pytest.raises(StorageNotConfigured):
                call(nowhere)

    @pytest.mark.parametrize("name", ["ENDPOINT", "BUCKET_NAME", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"])
    def test_for_a_variable_is_missing_is_not_configured(self, settings: Any, name: str) -> None:
        setattr(settings, f"CLOUDFLARE_R2_{name}", "")
        with pytest.raises(StorageNotConfigured):
            get_r2_client()

    def test_says_what_it_refuses(self, r2: R2Client, settings: Any) -> None:
        settings.R2_SANDBOX_TRANSPORT = "media.tests.test_storage.find_it_malformed"
        with pytest.raises(StorageRefused) as refused:
            r2.delete_file(KEY)
        assert refused.value.context == {"code": "MalformedXML"}

    def test_makes_the_server_not_ready_and_operators_know(self, db: None, settings: Any, client: Client) -> None:
        assert watching.bucket(clock.now()).holds
        settings.R2_SANDBOX_TRANSPORT = OUTAGE
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["storage"]) == (503, "storage_unavailable")
        assert not watching.bucket(clock.now()).holds


class TestBusyBucket:
    def test_is_asked_again(self, settings: Any) -> None:
        settings.R2_SANDBOX_TRANSPORT = "media.tests.test_storage.busy_at_first"
        answers.clear()
        get_r2_client().upload_file(file_path=__file__, key=KEY)
        assert answers == [503, 200]


answers: list[int] = []


def busy_at_first(**request: Any) -> Any:
    """Answer as the stand-in does, but for the first request, whose body is read and lost."""
    status, headers, body = send_in_process(**request)
    answers.append(status if answers else 503)
    return answers[-1], headers, body


def find_it_malformed(**request: Any) -> Any:
    """Answer as a bucket does that does not understand a request."""
    return 400, {}, Body(iter([b"<Error><Code>MalformedXML</Code></Error>"]))
