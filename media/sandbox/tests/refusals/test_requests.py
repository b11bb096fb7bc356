"""Requests that no client would send: each byte as it is written here."""

import http.client
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.etree import ElementTree

import pytest
from django.conf import settings

from media.sandbox import signing
from media.sandbox.messages import Request
from media.sandbox.tests.conftest import Server
from media.sandbox.tests.refusals.asking import (
    MEBIBYTE,
    TIMEOUT_SECONDS,
)


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
        raw_path: str = "",
    ) -> tuple[int, str]:
        """Sign and send; return (status, code), or (status, "") when it is not refused.

        :param raw_path: how the path is written on the wire, if not as everybody writes it.
        """
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
        written = full_path.removesuffix(path) + raw_path if raw_path else quote(full_path, safe="/")
        self.connection.putrequest(method, written + (f"?{query}" if query else ""), skip_host=True)
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

    @pytest.mark.parametrize(
        "raw", ["%2e%2e/a", "wire/%2E%2E/a", "..%2fa", "wire%2f..%2fa", "%2e%2e%5ca", "wire/..%5Ca"]
    )
    def test_does_not_lead_out_of_the_bucket_however_it_is_written(self, wire: Wire, raw: str) -> None:
        for method in ("PUT", "GET", "DELETE"):
            assert wire.send(method, unquote(raw), raw_path=raw) == (400, "InvalidURI")

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
