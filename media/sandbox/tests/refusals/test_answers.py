"""Who is refused with a key of their own, and what a refusal says."""

from typing import Any
from xml.etree import ElementTree

import pytest
import requests
from botocore.exceptions import ClientError
from django.conf import settings

from media.sandbox.tests.conftest import Bucket, outside_client
from media.sandbox.tests.refusals.asking import TIMEOUT_SECONDS, at_the_stand_in, changed, get, refusal, strictly


@strictly
class TestSignedHeader:
    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"aws_secret_access_key": "x" * 40}, (403, "SignatureDoesNotMatch")),
            ({"aws_access_key_id": "nobody"}, (403, "InvalidAccessKeyId")),
        ],
        ids=["wrong secret", "unknown key"],
    )
    def test_of_somebody_else_is_refused(
        self, bucket: Bucket, endpoint: str, changes: dict[str, str], expected: tuple[int, str]
    ) -> None:
        with pytest.raises(ClientError) as refused:
            outside_client(endpoint, **changes).get_object(Bucket=bucket.name, Key=bucket.put("a"))
        response = refused.value.response
        assert response["ResponseMetadata"]["HTTPStatusCode"] in (expected[0], 401)
        if settings.R2_SANDBOX:
            assert response["Error"]["Code"] == expected[1]


@at_the_stand_in
class TestBucketName:
    def test_is_known(self, bucket: Bucket) -> None:
        with pytest.raises(ClientError) as refused:
            bucket.s3.list_objects_v2(Bucket="another-bucket")
        assert refused.value.response["Error"]["Code"] == "NoSuchBucket"
        with pytest.raises(ClientError) as refused:
            bucket.s3.head_bucket(Bucket="another-bucket")
        assert refused.value.response["Error"]["Code"] == "404"


@at_the_stand_in
class TestRefusal:
    def test_of_head_has_no_body(self, bucket: Bucket) -> None:
        answer = requests.head(bucket.presign("head_object", bucket.key("missing")), timeout=TIMEOUT_SECONDS)
        assert (answer.status_code, answer.content) == (404, b"")

    def test_tells_resource_and_request(self, bucket: Bucket) -> None:
        answer = get(bucket.presign("get_object", bucket.key("missing & <lost>")))
        root = ElementTree.fromstring(answer.content)
        assert answer.headers["Content-Type"] == "application/xml"
        assert root.findtext("Key") == bucket.key("missing & <lost>")
        assert root.findtext("Resource") == f"/sandbox/r2/{bucket.name}/{bucket.key('missing & <lost>')}"
        assert root.findtext("RequestId") == answer.headers["x-amz-request-id"]

    def test_never_tells_the_secret(self, bucket: Bucket) -> None:
        answer = get(changed(bucket.presign("get_object", bucket.put("a")), X_Amz_Signature="0" * 64))
        assert answer.status_code == 403
        assert settings.CLOUDFLARE_R2_SECRET_ACCESS_KEY not in answer.text

    @pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b=c", "a\nb", "a\x00b"])
    def test_of_a_header_that_would_be_two(self, bucket: Bucket, value: str) -> None:
        for name in ("ResponseContentDisposition", "ResponseContentType"):
            override: dict[str, Any] = {name: value}
            answer = get(bucket.presign("get_object", bucket.put("a"), **override))
            assert refusal(answer) == (400, "InvalidArgument")
            assert "Set-Cookie" not in answer.headers
