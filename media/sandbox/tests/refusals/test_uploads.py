"""Uploads other than what was signed, and parts that make no object."""

import http.client
from urllib.parse import urlsplit

import pytest
import requests
from botocore.exceptions import ClientError

from media.sandbox.tests.conftest import Bucket
from media.sandbox.tests.refusals.asking import (
    MEBIBYTE,
    TIMEOUT_SECONDS,
    at_the_stand_in,
    refusal,
    strictly,
)
from media.storage import PresignedUpload


@strictly
class TestPresignedUpload:
    @pytest.fixture
    def upload(self, bucket: Bucket) -> PresignedUpload:
        return bucket.r2.generate_presigned_upload(key=bucket.key("a.png"), content_type="image/png", size_bytes=7)

    @pytest.mark.parametrize(
        ("body", "headers"),
        [
            (b"content", {"Content-Type": "text/html"}),
            (b"content", {"Content-Type": ""}),
            (b"contents", {"Content-Type": "image/png"}),
            (b"conten", {"Content-Type": "image/png"}),
            (b"", {"Content-Type": "image/png"}),
        ],
        ids=["another type", "no type", "longer", "shorter", "empty"],
    )
    def test_takes_nothing_but_what_was_signed(
        self, bucket: Bucket, upload: PresignedUpload, body: bytes, headers: dict[str, str]
    ) -> None:
        answer = requests.put(upload.url, data=body, headers=headers, timeout=TIMEOUT_SECONDS)
        assert refusal(answer) == (403, "SignatureDoesNotMatch")
        assert bucket.names() == []

    def test_cannot_be_sent_without_the_condition_that_was_signed(self, bucket: Bucket) -> None:
        upload = bucket.r2.generate_presigned_upload(
            key=bucket.key("a.png"), content_type="image/png", size_bytes=7, only_once=True
        )
        headers = {"Content-Type": "image/png"}
        answer = requests.put(upload.url, data=b"content", headers=headers, timeout=TIMEOUT_SECONDS)
        assert refusal(answer) == (403, "SignatureDoesNotMatch")

    def test_says_how_much_it_will_send(self, bucket: Bucket) -> None:
        url = bucket.presign("put_object", bucket.key("a"))
        answer = requests.put(url, data=iter([b"con", b"tent"]), timeout=TIMEOUT_SECONDS)  # chunked
        assert answer.status_code in (411, 501)
        assert bucket.names() == []

    def test_larger_than_one_object_may_be_is_refused_before_it_travels(self, bucket: Bucket) -> None:
        parts = urlsplit(bucket.presign("put_object", bucket.key("a")))
        connection_class = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = connection_class(parts.netloc, timeout=TIMEOUT_SECONDS)
        connection.putrequest("PUT", f"{parts.path}?{parts.query}")
        connection.putheader("Content-Length", str(5 * 1024**3 - 5 * 1024**2 + 1))
        connection.endheaders()
        assert connection.getresponse().status in (400, 413)
        connection.close()


@at_the_stand_in
class TestParts:
    @pytest.mark.parametrize(
        ("sizes", "order", "code"),
        [
            ((5 * MEBIBYTE, 1), (2, 1), "InvalidPartOrder"),
            ((5 * MEBIBYTE, 1), (1, 1), "InvalidPartOrder"),
            ((5 * MEBIBYTE, 5 * MEBIBYTE + 1, 1), (1, 2, 3), "InvalidPart"),
        ],
        ids=["disorder", "twice", "of different lengths, which R2 does not take"],
    )
    def test_make_an_object_in_order_only(
        self, bucket: Bucket, sizes: tuple[int, ...], order: tuple[int, ...], code: str
    ) -> None:
        upload = {"Bucket": bucket.name, "Key": bucket.key("a")}
        upload["UploadId"] = bucket.s3.create_multipart_upload(**upload)["UploadId"]
        etags = {
            number: bucket.s3.upload_part(**upload, PartNumber=number, Body=b"x" * size)["ETag"]
            for number, size in enumerate(sizes, start=1)
        }
        parts = [{"PartNumber": number, "ETag": etags[number]} for number in order]
        with pytest.raises(ClientError) as refused:
            bucket.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        assert refused.value.response["Error"]["Code"] == code
        assert bucket.names() == []

    def test_make_no_object_where_one_lies_that_must_not(self, bucket: Bucket) -> None:
        upload = {"Bucket": bucket.name, "Key": bucket.put("a", b"first")}
        upload["UploadId"] = bucket.s3.create_multipart_upload(**upload)["UploadId"]
        etag = bucket.s3.upload_part(**upload, PartNumber=1, Body=b"second")["ETag"]
        parts = {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]}}
        for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"another"'}):
            with pytest.raises(ClientError) as refused:
                bucket.s3.complete_multipart_upload(**upload, **parts, **condition)
            assert refused.value.response["Error"]["Code"] == "PreconditionFailed"
        assert bucket.get(bucket.key("a")) == b"first"

    def test_are_those_of_their_own_key(self, bucket: Bucket) -> None:
        upload = {"Bucket": bucket.name, "Key": bucket.key("a")}
        upload_id = bucket.s3.create_multipart_upload(**upload)["UploadId"]
        with pytest.raises(ClientError) as refused:
            bucket.s3.upload_part(Bucket=bucket.name, Key=bucket.key("b"), UploadId=upload_id, PartNumber=1, Body=b"x")
        assert refused.value.response["Error"]["Code"] == "NoSuchUpload"

    def test_of_an_aborted_upload_are_refused(self, bucket: Bucket) -> None:
        upload = {"Bucket": bucket.name, "Key": bucket.key("a")}
        upload["UploadId"] = bucket.s3.create_multipart_upload(**upload)["UploadId"]
        bucket.s3.abort_multipart_upload(**upload)
        for call, more in (
            (bucket.s3.upload_part, {"PartNumber": 1, "Body": b"x"}),
            (bucket.s3.complete_multipart_upload, {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "x"}]}}),
            (bucket.s3.abort_multipart_upload, {}),
        ):
            with pytest.raises(ClientError) as refused:
                call(**upload, **more)
            assert refused.value.response["Error"]["Code"] == "NoSuchUpload"
