"""Presigned URLs, as a desktop app, a browser or curl uses them: plain HTTP, no key at hand."""

import pytest
import requests

from media.sandbox.tests.conftest import ODD_NAMES, OVER_HTTP, Bucket

pytestmark = pytest.mark.parametrize("endpoint", OVER_HTTP, indirect=True)

TIMEOUT_SECONDS = 30
MEBIBYTE = 1024 * 1024


class TestPresignedUpload:
    def test_stores_the_file(self, bucket: Bucket) -> None:
        upload = bucket.r2.generate_presigned_upload(key=bucket.key("a.png"), content_type="image/png", size_bytes=7)
        answer = requests.request(
            upload.method, upload.url, data=b"content", headers=upload.headers, timeout=TIMEOUT_SECONDS
        )
        assert answer.status_code == 200
        info = bucket.r2.get_file_info(bucket.key("a.png"))
        assert (info.size_bytes, info.content_type) == (7, "image/png")
        assert answer.headers["ETag"].strip('"') == info.etag

    def test_may_be_good_for_one_file_only(self, bucket: Bucket) -> None:
        upload = bucket.r2.generate_presigned_upload(
            key=bucket.key("a.png"), content_type="image/png", size_bytes=7, only_once=True
        )
        statuses = [
            requests.put(upload.url, data=body, headers=upload.headers, timeout=TIMEOUT_SECONDS).status_code
            for body in (b"content", b"another")
        ]
        assert statuses == [200, 412]
        assert bucket.get(bucket.key("a.png")) == b"content"

    def test_may_come_in_parts(self, bucket: Bucket) -> None:
        upload = {"Bucket": bucket.name, "Key": bucket.key("a.mp4")}
        upload["UploadId"] = bucket.s3.create_multipart_upload(**upload, ContentType="video/mp4")["UploadId"]
        parts = []
        for number, content in enumerate((b"1" * 5 * MEBIBYTE, b"2" * 10), start=1):
            url = bucket.presign("upload_part", bucket.key("a.mp4"), UploadId=upload["UploadId"], PartNumber=number)
            sent = requests.put(url, data=content, timeout=TIMEOUT_SECONDS)
            assert sent.status_code == 200
            parts.append({"PartNumber": number, "ETag": sent.headers["ETag"]})
        bucket.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        assert bucket.get(bucket.key("a.mp4"), Range="bytes=5242878-") == b"11" + b"2" * 10


class TestPresignedReading:
    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_gives_a_file_of_any_name(self, bucket: Bucket, name: str) -> None:
        url = bucket.r2.generate_presigned_url(key=bucket.put(name, name.encode()))
        assert requests.get(url, timeout=TIMEOUT_SECONDS).content == name.encode()

    def test_gives_the_part_that_a_player_asks_for(self, bucket: Bucket) -> None:
        url = bucket.r2.generate_presigned_url(key=bucket.put("a.mp4", b"0123456789", ContentType="video/mp4"))
        answer = requests.get(url, headers={"Range": "bytes=2-4"}, timeout=TIMEOUT_SECONDS)
        assert (answer.status_code, answer.content) == (206, b"234")
        assert answer.headers["Content-Range"] == "bytes 2-4/10"
        assert answer.headers["Content-Type"] == "video/mp4"

    def test_spares_what_the_reader_already_has(self, bucket: Bucket) -> None:
        url = bucket.r2.generate_presigned_url(key=bucket.put("a"))
        etag = requests.get(url, timeout=TIMEOUT_SECONDS).headers["ETag"]
        again = requests.get(url, headers={"If-None-Match": etag}, timeout=TIMEOUT_SECONDS)
        assert (again.status_code, again.content) == (304, b"")

    def test_serves_it_as_the_signer_wants(self, bucket: Bucket) -> None:
        url = bucket.r2.generate_presigned_url(
            key=bucket.put("a.svg", b"<svg/>", ContentType="image/svg+xml"),
            content_type="application/octet-stream",
            content_disposition='attachment; filename="a.svg"',
        )
        answer = requests.get(url, timeout=TIMEOUT_SECONDS)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="a.svg"'

    def test_overrides_every_header_that_s3_lets_be_overridden(self, bucket: Bucket) -> None:
        url = bucket.presign(
            "get_object",
            bucket.put("a"),
            ResponseCacheControl="no-store",
            ResponseContentLanguage="th",
            ResponseContentEncoding="identity",
        )
        answer = requests.get(url, timeout=TIMEOUT_SECONDS)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Language"] == "th"
        assert answer.headers["Content-Encoding"] == "identity"


class TestOtherMethods:
    def test_head_describes_and_delete_deletes(self, bucket: Bucket) -> None:
        key = bucket.put("a", b"content")
        head = requests.head(bucket.presign("head_object", key), timeout=TIMEOUT_SECONDS)
        assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "7", b"")
        assert requests.delete(bucket.presign("delete_object", key), timeout=TIMEOUT_SECONDS).status_code == 204
        assert bucket.names() == []
