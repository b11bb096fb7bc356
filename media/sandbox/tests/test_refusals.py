"""What the stand-in refuses, over HTTP, as S3 does; with `-m r2_live` R2 itself is asked the same."""

import http.client
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from xml.etree import ElementTree

import pytest
import requests
from botocore.exceptions import ClientError
from django.conf import settings

from media.sandbox import signing
from media.sandbox.messages import Request
from media.sandbox.tests.conftest import STRICT, Bucket, Server, outside_client
from media.storage import PresignedUpload

SCOPE = "smartspec/20200101"
MEBIBYTE = 1024 * 1024
TIMEOUT_SECONDS = 30

strictly = pytest.mark.parametrize("endpoint", STRICT, indirect=True)
at_the_stand_in = pytest.mark.parametrize("endpoint", ["stand_in"], indirect=True)


def refusal(answer: requests.Response) -> tuple[int, str]:
    """Return (status, code) of an error answer, whose body is S3's."""
    root = ElementTree.fromstring(answer.content)
    assert root.tag == "Error"
    assert root.findtext("Message")
    return answer.status_code, root.findtext("Code") or ""


def changed(url: str, **parameters: str) -> str:
    """Return the URL with some query parameters replaced; an empty one is left out."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {name.replace("_", "-"): value for name, value in parameters.items()}
    return parts._replace(query=urlencode({name: value for name, value in query.items() if value})).geturl()


def get(url: str, **more: Any) -> requests.Response:
    return requests.get(url, timeout=TIMEOUT_SECONDS, **more)


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
        connection.putheader("Content-Length", str(5 * 1024**3 + 1))
        connection.endheaders()
        assert connection.getresponse().status in (400, 413)
        connection.close()


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


@pytest.fixture
def wire(server: Server) -> Iterator["Wire"]:
    found = Wire(server)
    yield found
    found.connection.close()


class Wire:
    """A connection on which anything can be sent: no client tidies it up on the way."""

    def __init__(self, server: Server) -> None:
        self.host = urlsplit(server.url).netloc
        self.connection = http.client.HTTPConnection(self.host, timeout=TIMEOUT_SECONDS)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        signed_at: datetime | None = None,
        payload_hash: str = signing.UNSIGNED_PAYLOAD,
        content_length: int | None = None,
    ) -> tuple[int, str]:
        """Sign and send; return (status, code), or (status, "") when it is not refused."""
        full_path = f"/sandbox/r2/{settings.CLOUDFLARE_R2_BUCKET_NAME}/{path}"
        moment = signed_at or datetime.now(UTC)
        all_headers = {"host": self.host, "x-amz-content-sha256": payload_hash} | (headers or {})
        all_headers["x-amz-date"] = moment.strftime(signing.TIME_FORMAT)
        names = sorted(all_headers)
        claim = signing.Claim(
            access_key=settings.CLOUDFLARE_R2_ACCESS_KEY_ID,
            date=moment.strftime("%Y%m%d"),
            region="auto",
            signed_headers=names,
            signature="",
            signed_at=moment,
            payload_hash=payload_hash,
        )
        request: Any = Request(
            method=method,
            path=full_path,
            bucket="",
            key="",
            query=parse_qsl(query, keep_blank_values=True),
            headers=all_headers,
            body=None,  # type: ignore[arg-type]
        )
        canonical = signing.canonical_request(request, claim)
        signature = signing.sign(canonical, claim, settings.CLOUDFLARE_R2_SECRET_ACCESS_KEY)
        all_headers["authorization"] = (
            f"{signing.ALGORITHM} Credential={claim.access_key}/{claim.scope},"
            f"SignedHeaders={';'.join(names)},Signature={signature}"
        )
        self.connection.putrequest(method, quote(full_path, safe="/") + (f"?{query}" if query else ""), skip_host=True)
        for name, value in all_headers.items():
            self.connection.putheader(name, value)
        self.connection.putheader("content-length", str(len(body) if content_length is None else content_length))
        self.connection.endheaders(body)
        if content_length is not None and self.connection.sock:
            self.connection.sock.shutdown(1)  # nothing more will come
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status < 300:
            return answer.status, ""
        return answer.status, ElementTree.fromstring(content).findtext("Code") or ""


class TestRequestOnTheWire:
    def test_is_good_as_signed_here(self, wire: Wire) -> None:
        assert wire.send("PUT", "wire/a", body=b"content") == (200, "")

    @pytest.mark.parametrize("path", ["../a", "wire/../a", "wire/./a", "wire/..", "..", "wire\\..\\a", "wire/\x00a"])
    def test_does_not_lead_out_of_the_bucket(self, wire: Wire, path: str) -> None:
        for method in ("PUT", "GET", "DELETE"):
            assert wire.send(method, path) == (400, "InvalidURI")

    def test_has_a_key_of_1024_bytes_at_most(self, wire: Wire) -> None:
        assert wire.send("PUT", "wire/" + "ä" * 509) == (200, "")
        assert wire.send("PUT", "wire/" + "ä" * 510) == (400, "KeyTooLongError")

    @pytest.mark.parametrize("minutes", [-16, 16])
    def test_is_signed_now(self, wire: Wire, minutes: int) -> None:
        skewed = datetime.now(UTC) + timedelta(minutes=minutes)
        assert wire.send("GET", "wire/a", signed_at=skewed) == (403, "RequestTimeTooSkewed")

    def test_brings_all_of_its_body(self, wire: Wire) -> None:
        assert wire.send("PUT", "wire/short", body=b"cont", content_length=7) == (400, "IncompleteBody")

    def test_brings_the_body_that_was_signed(self, wire: Wire) -> None:
        assert wire.send("PUT", "wire/b", body=b"content", payload_hash="0" * 64) == (400, "XAmzContentSHA256Mismatch")
        assert wire.send("GET", "wire/b") == (404, "NoSuchKey")

    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ({"content-md5": "mgNkuembtIDdJeHwKEyFVQ=="}, (200, "")),
            ({"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, (400, "BadDigest")),
            ({"content-md5": "?"}, (400, "InvalidDigest")),
            ({"x-amz-checksum-crc32": "ZWVllw=="}, (400, "BadDigest")),
            ({"x-amz-checksum-sha1": "BAq3NyqjCpjiXRc/2aGF2eR4yAU="}, (400, "BadDigest")),
            ({"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}, (501, "NotImplemented")),
            ({"x-amz-acl": "public-read"}, (501, "NotImplemented")),
            ({"x-amz-copy-source": "/smartspec-media/wire/a"}, (501, "NotImplemented")),
            ({"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}, (501, "NotImplemented")),
            ({"x-amz-meta-a": "x" * 4100, "x-amz-meta-b": "x" * 4100}, (400, "InvalidArgument")),
            ({"if-none-match": '"etag"'}, (501, "NotImplemented")),
            ({"if-match": '"etag"'}, (404, "NoSuchKey")),
        ],
        ids=lambda value: str(value)[:60],
    )
    def test_means_every_header(self, wire: Wire, headers: dict[str, str], expected: tuple[int, str]) -> None:
        payload_hash = headers.get("x-amz-content-sha256", signing.UNSIGNED_PAYLOAD)
        assert wire.send("PUT", "wire/c", headers=headers, body=b"content", payload_hash=payload_hash) == expected
        wire.send("DELETE", "wire/c")

    @pytest.mark.parametrize(
        ("method", "path", "query", "expected"),
        [
            ("GET", "wire/a", "acl", (501, "NotImplemented")),
            ("PUT", "wire/a", "tagging", (501, "NotImplemented")),
            ("GET", "", "policy", (501, "NotImplemented")),
            ("POST", "", "", (405, "MethodNotAllowed")),  # an HTML form, which R2 does not take
            ("PATCH", "wire/a", "", (405, "MethodNotAllowed")),
            ("DELETE", "", "", (405, "MethodNotAllowed")),
            ("PUT", "", "", (409, "BucketAlreadyOwnedByYou")),
            ("GET", "", "list-type=2&max-keys=-1", (400, "InvalidArgument")),
            ("GET", "", "list-type=2&continuation-token=!", (400, "InvalidArgument")),
            ("GET", "", "list-type=2&encoding-type=rot13", (400, "InvalidArgument")),
            ("PUT", "wire/a", "partNumber=1&uploadId=nothing", (404, "NoSuchUpload")),
            ("PUT", "wire/a", "partNumber=0&uploadId=nothing", (400, "InvalidArgument")),
            ("PUT", "wire/a", "partNumber=10001&uploadId=nothing", (400, "InvalidArgument")),
            ("POST", "", "delete", (400, "MalformedXML")),
        ],
    )
    def test_asks_for_what_there_is(
        self, wire: Wire, method: str, path: str, query: str, expected: tuple[int, str]
    ) -> None:
        assert wire.send(method, path, query=query) == expected

    @pytest.mark.parametrize(
        "document",
        [
            b"<Delete/>",
            b"<Delete><Object/></Delete>",
            b"<Other><Object><Key>a</Key></Object></Other>",
            b"<Delete><Object><Key>a</Key></Object>",
            b'<!DOCTYPE a [<!ENTITY b "c">]><Delete><Object><Key>&b;</Key></Object></Delete>',
            b"<Delete>" + b"<Object><Key>a</Key></Object>" * 1001 + b"</Delete>",
            b" " * (4 * MEBIBYTE + 1),
        ],
        ids=["empty", "no key", "another document", "not closed", "entities", "too many", "too large"],
    )
    def test_brings_a_document_that_makes_sense(self, wire: Wire, document: bytes) -> None:
        assert wire.send("POST", "", query="delete", body=document) == (400, "MalformedXML")


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
