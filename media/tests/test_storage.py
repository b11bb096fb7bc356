"""The client of the bucket, against the stand-in in this process."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from media.storage import FileMissing, KeyInvalid, PresignedUpload, R2Client, get_r2_client


@pytest.fixture
def r2() -> R2Client:
    return get_r2_client()


class TestUploadedFile:
    def test_is_there_until_it_is_deleted(self, r2: R2Client, tmp_path: Path) -> None:
        (tmp_path / "image.png").write_bytes(b"\x89PNG" * 1000)
        key = "generations/user123/image_001.png"
        url = r2.upload_file(file_path=tmp_path / "image.png", key=key, content_type="image/png")
        assert url.startswith(f"http://localhost:8000/sandbox/r2/smartspec-media/{key}?")
        info = r2.get_file_info(key)
        assert (info.size_bytes, info.content_type) == (4000, "image/png")
        r2.delete_file(key)
        assert not r2.file_exists(key)
        r2.delete_file(key)
        with pytest.raises(FileMissing):
            r2.get_file_info(key)


class TestListing:
    def test_tells_every_key_with_the_prefix_in_order(self, r2: R2Client) -> None:
        for key in ("b/2", "a/1", "b/1", "c"):
            r2.upload_fileobj(fileobj=io.BytesIO(key.encode()), key=key)
        assert [(found.key, found.size_bytes) for found in r2.list_files("b/")] == [("b/1", 3), ("b/2", 3)]
        assert [found.key for found in r2.list_files(after="b/1")] == ["b/2", "c"]


class TestPresignedUpload:
    @pytest.fixture
    def upload(self, r2: R2Client) -> PresignedUpload:
        return r2.generate_presigned_upload(key="a.png", content_type="image/png", size_bytes=4, only_once=True)

    def put(self, client: Client, upload: PresignedUpload, body: bytes, **headers: str) -> Any:
        return client.put(
            upload.url,
            body,
            content_type=headers.pop("content_type", upload.headers["Content-Type"]),
            headers={"host": "localhost:8000", "if-none-match": "*"} | headers,
        )

    def test_takes_exactly_what_was_signed(self, r2: R2Client, client: Client, upload: PresignedUpload) -> None:
        assert self.put(client, upload, b"12345").status_code == 403
        assert self.put(client, upload, b"1234", content_type="text/html").status_code == 403
        assert self.put(client, upload, b"1234").status_code == 200
        assert self.put(client, upload, b"5678").status_code == 412
        assert r2.read_bytes("a.png", size_bytes=10) == b"1234"
        assert client.get(r2.url("a.png"), headers={"host": "localhost:8000"}).getvalue() == b"1234"


class TestKey:
    @pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/../b", "a/./b", "a\nb", "a" * 1025])
    def test_that_could_lead_elsewhere_is_refused(self, r2: R2Client, key: str) -> None:
        with pytest.raises(KeyInvalid):
            r2.delete_file(key)
