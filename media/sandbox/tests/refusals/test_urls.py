"""Presigned URLs that were tampered with, have ended, or never were any."""

import time
from datetime import UTC, datetime, timedelta

import pytest
import requests
from django.conf import settings

from media.sandbox import signing
from media.sandbox.tests.conftest import Bucket, outside_client
from media.sandbox.tests.refusals.asking import (
    TIMEOUT_SECONDS,
    at_the_stand_in,
    changed,
    get,
    refusal,
    strictly,
)


@strictly
class TestPresignedUrl:
    @pytest.fixture
    def url(self, bucket: Bucket) -> str:
        return bucket.presign("get_object", bucket.put("a"))

    def test_is_good_as_it_is(self, url: str) -> None:
        assert get(url).content == b"content"

    def test_without_its_signature_is_anonymous(self, url: str) -> None:
        assert get(url.partition("?")[0]).status_code in (400, 403)
        assert get(changed(url, X_Amz_Signature="")).status_code in (400, 403)

    def test_is_for_one_key_only(self, bucket: Bucket, url: str) -> None:
        other = bucket.put("b")
        assert refusal(get(url.replace(bucket.key("a"), other))) == (403, "SignatureDoesNotMatch")

    def test_cannot_be_prolonged(self, url: str) -> None:
        assert refusal(get(changed(url, X_Amz_Expires="600"))) == (403, "SignatureDoesNotMatch")
        later = datetime.now(UTC) + timedelta(seconds=5)
        assert get(changed(url, X_Amz_Date=later.strftime(signing.TIME_FORMAT))).status_code == 403

    @pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE"])
    def test_is_for_one_method_only(self, bucket: Bucket, url: str, method: str) -> None:
        answer = requests.request(method, url, data=b"" if method == "PUT" else None, timeout=TIMEOUT_SECONDS)
        assert answer.status_code == 403
        assert bucket.get(bucket.key("a")) == b"content"

    def test_takes_no_parameter_that_was_not_signed(self, url: str) -> None:
        assert refusal(get(f"{url}&response-content-type=text/html")) == (403, "SignatureDoesNotMatch")

    def test_takes_no_amazon_header_that_was_not_signed(self, url: str) -> None:
        assert get(url, headers={"x-amz-meta-a": "b"}).status_code == 403

    def test_ends(self, bucket: Bucket) -> None:
        url = bucket.presign("get_object", bucket.put("a"), expires_in=1)
        time.sleep(2.1)
        status, code = refusal(get(url))
        assert (status, code) in [(403, "AccessDenied"), (403, "ExpiredRequest")]

    def test_signed_with_another_secret_is_refused(self, bucket: Bucket, endpoint: str) -> None:
        stranger = outside_client(endpoint, aws_secret_access_key="x" * 40)
        url = stranger.generate_presigned_url("get_object", Params={"Bucket": bucket.name, "Key": bucket.put("a")})
        assert refusal(get(url)) == (403, "SignatureDoesNotMatch")


@at_the_stand_in
class TestMalformedPresignedUrl:
    @pytest.mark.parametrize(
        ("parameters", "expected"),
        [
            ({"X_Amz_Expires": "604801"}, (400, "AuthorizationQueryParametersError")),
            ({"X_Amz_Expires": "0"}, (400, "AuthorizationQueryParametersError")),
            ({"X_Amz_Expires": "-1"}, (400, "AuthorizationQueryParametersError")),
            ({"X_Amz_Expires": "²"}, (400, "AuthorizationQueryParametersError")),
            ({"X_Amz_Date": "yesterday"}, (400, "AuthorizationQueryParametersError")),
            ({"X_Amz_Algorithm": "AWS4-HMAC-SHA1"}, (400, "AuthorizationQueryParametersError")),
            ({"X_Amz_Credential": "smartspec"}, (400, "AuthorizationQueryParametersError")),
            (
                {"X_Amz_Credential": "smartspec/20200101/auto/s3/aws4_request"},
                (400, "AuthorizationQueryParametersError"),
            ),
            ({"X_Amz_SignedHeaders": "accept"}, (403, "AccessDenied")),
            ({"X_Amz_Signature": "é"}, (403, "SignatureDoesNotMatch")),
        ],
        ids=str,
    )
    def test_is_refused(self, bucket: Bucket, parameters: dict[str, str], expected: tuple[int, str]) -> None:
        url = bucket.presign("get_object", bucket.put("a"))
        assert refusal(get(changed(url, **parameters))) == expected

    def test_with_a_second_signature_is_refused(self, bucket: Bucket) -> None:
        url = bucket.presign("get_object", bucket.put("a"))
        assert refusal(get(url, headers={"Authorization": "AWS4-HMAC-SHA256 x"})) == (400, "InvalidArgument")
        assert refusal(get(f"{url}&X-Amz-Expires=60")) == (400, "AuthorizationQueryParametersError")

    def test_of_tomorrow_is_refused_today(self, bucket: Bucket) -> None:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        url = bucket.presign("get_object", bucket.put("a"))
        stamp, day = tomorrow.strftime(signing.TIME_FORMAT), tomorrow.strftime("%Y%m%d")
        credential = f"{settings.CLOUDFLARE_R2_ACCESS_KEY_ID}/{day}/auto/s3/aws4_request"
        answer = get(changed(url, X_Amz_Date=stamp, X_Amz_Credential=credential))
        assert refusal(answer) == (403, "AccessDenied")

    @pytest.mark.parametrize(
        "authorization",
        ["Basic c21hcnRzcGVjOng=", "AWS smartspec:x", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=a"],
    )
    def test_is_no_worse_than_a_malformed_header(self, bucket: Bucket, authorization: str) -> None:
        url = f"{bucket.s3.meta.endpoint_url}/{bucket.name}/a"
        assert get(url, headers={"Authorization": authorization}).status_code == 400
