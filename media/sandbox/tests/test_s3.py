"""boto3 drives the bucket: the same tests for the stand-in, for moto's server, and with `-m r2_live` for R2 itself."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from media.sandbox.tests.conftest import EVERYWHERE, ODD_NAMES, Bucket

pytestmark = pytest.mark.parametrize("endpoint", EVERYWHERE, indirect=True)

MEBIBYTE = 1024 * 1024


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[int, str]:
    """Return (HTTP status, code) with which the call is refused."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    response = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


class TestObject:
    def test_comes_back_as_it_was_put(self, bucket: Bucket) -> None:
        key = bucket.put("a.png", b"\x89PNG", ContentType="image/png", CacheControl="max-age=60", Metadata={"job": "7"})
        answer = bucket.s3.get_object(Bucket=bucket.name, Key=key)
        assert answer["Body"].read() == b"\x89PNG"
        assert (answer["ContentType"], answer["ContentLength"]) == ("image/png", 4)
        assert (answer["CacheControl"], answer["Metadata"]) == ("max-age=60", {"job": "7"})
        assert answer["ETag"].strip('"') == md5(b"\x89PNG")

    def test_is_described_by_head_without_its_content(self, bucket: Bucket) -> None:
        key = bucket.put("a.mp3", b"ID3" * 100, ContentType="audio/mpeg")
        head = bucket.s3.head_object(Bucket=bucket.name, Key=key)
        assert (head["ContentType"], head["ContentLength"]) == ("audio/mpeg", 300)

    def test_may_be_empty(self, bucket: Bucket) -> None:
        key = bucket.put("empty", b"")
        assert bucket.get(key) == b""
        assert bucket.s3.head_object(Bucket=bucket.name, Key=key)["ContentLength"] == 0

    def test_is_replaced_whole_by_the_next_put(self, bucket: Bucket) -> None:
        key = bucket.put("a", b"long content", ContentType="image/png", Metadata={"job": "7"})
        bucket.put("a", b"short", ContentType="image/jpeg")
        answer = bucket.s3.get_object(Bucket=bucket.name, Key=key)
        assert (answer["Body"].read(), answer["ContentType"], answer["Metadata"]) == (b"short", "image/jpeg", {})

    def test_that_is_missing_is_not_found(self, bucket: Bucket) -> None:
        missing = {"Bucket": bucket.name, "Key": bucket.key("missing")}
        assert refusal(bucket.s3.get_object, **missing) == (404, "NoSuchKey")
        assert refusal(bucket.s3.head_object, **missing) == (404, "404")

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_may_have_an_odd_name(self, bucket: Bucket, name: str) -> None:
        key = bucket.put(name, name.encode())
        assert bucket.get(key) == name.encode()
        assert bucket.names() == [name]

    @pytest.mark.parametrize(
        "name", ["folder/", "two//slashes", "/slash", "...", "a/..b", "%2e%2e/a", "%2F", "x" * 900]
    )
    def test_may_have_a_name_that_reads_like_a_path(self, bucket: Bucket, name: str) -> None:
        plain = bucket.put(name.replace("/", ""), b"plain")
        key = bucket.put(name, name.encode())
        assert (bucket.get(key), bucket.get(plain)) == (name.encode(), b"plain" if plain != key else name.encode())
        assert sorted(bucket.names()) == sorted({name, plain.removeprefix(bucket.prefix)})

    def test_named_like_the_beginning_of_another_is_another(self, bucket: Bucket) -> None:
        below, above = bucket.put("a/b", b"below"), bucket.put("a", b"above")
        assert (bucket.get(below), bucket.get(above)) == (b"below", b"above")


class TestDeletion:
    def test_is_idempotent(self, bucket: Bucket) -> None:
        key = bucket.put("a")
        for _ in range(2):
            answer = bucket.s3.delete_object(Bucket=bucket.name, Key=key)
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert bucket.names() == []

    def test_of_many_takes_all_that_are_there(self, bucket: Bucket) -> None:
        keys = [bucket.put("a"), bucket.put("b & <c>"), bucket.key("missing")]
        bucket.put("kept")
        answer = bucket.s3.delete_objects(Bucket=bucket.name, Delete={"Objects": [{"Key": key} for key in keys]})
        assert sorted(deleted["Key"] for deleted in answer["Deleted"]) == sorted(keys)
        assert "Errors" not in answer
        assert bucket.names() == ["kept"]

    def test_of_many_is_silent_when_asked(self, bucket: Bucket) -> None:
        objects = [{"Key": bucket.put("a")}]
        answer = bucket.s3.delete_objects(Bucket=bucket.name, Delete={"Objects": objects, "Quiet": True})
        assert "Errors" not in answer
        assert bucket.names() == []


class TestListing:
    def test_is_in_the_order_of_the_keys_bytes(self, bucket: Bucket) -> None:
        names = ["B", "a", "a-b", "a/b", "a0", "ab", "z", "é", "ไ"]
        for name in reversed(names):
            bucket.put(name)
        assert bucket.names() == names

    def test_goes_on_page_by_page(self, bucket: Bucket) -> None:
        names = [f"{number:03d}" for number in range(7)]
        for name in names:
            bucket.put(name)
        assert bucket.names(PaginationConfig={"PageSize": 3}) == names
        first = bucket.s3.list_objects_v2(Bucket=bucket.name, Prefix=bucket.prefix, MaxKeys=3)
        assert (first["KeyCount"], first["IsTruncated"]) == (3, True)
        exact = bucket.s3.list_objects_v2(Bucket=bucket.name, Prefix=bucket.prefix, MaxKeys=7)
        assert (exact["KeyCount"], exact["IsTruncated"]) == (7, False)

    def test_starts_after_a_key(self, bucket: Bucket) -> None:
        for name in ("a", "b", "c"):
            bucket.put(name)
        assert bucket.names(StartAfter=bucket.key("a")) == ["b", "c"]
        assert bucket.names(StartAfter=bucket.key("aa")) == ["b", "c"]

    def test_folds_what_a_delimiter_separates(self, bucket: Bucket) -> None:
        for name in ("a", "b/1", "b/2", "b/c/3", "c", "d/1"):
            bucket.put(name)
        answer = bucket.s3.list_objects_v2(Bucket=bucket.name, Prefix=bucket.prefix, Delimiter="/")
        assert [found["Key"] for found in answer["Contents"]] == [bucket.key("a"), bucket.key("c")]
        assert [found["Prefix"] for found in answer["CommonPrefixes"]] == [bucket.key("b/"), bucket.key("d/")]
        assert answer["KeyCount"] == 4
        inside = bucket.s3.list_objects_v2(Bucket=bucket.name, Prefix=bucket.key("b/"), Delimiter="/")
        assert [found["Key"] for found in inside["Contents"]] == [bucket.key("b/1"), bucket.key("b/2")]
        assert [found["Prefix"] for found in inside["CommonPrefixes"]] == [bucket.key("b/c/")]

    @pytest.mark.parametrize("page_size", [1, 2, 3])
    def test_folds_across_pages(self, bucket: Bucket, page_size: int) -> None:
        for name in ("a", "b/1", "b/2", "b/3", "c", "d/1", "d/2"):
            bucket.put(name)
        pages = bucket.s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket.name, Prefix=bucket.prefix, Delimiter="/", PaginationConfig={"PageSize": page_size}
        )
        lines = [
            found.get("Key", found.get("Prefix")).removeprefix(bucket.prefix)
            for page in pages
            for found in sorted(
                page.get("Contents", []) + page.get("CommonPrefixes", []),
                key=lambda found: found.get("Key", found.get("Prefix")),
            )
        ]
        assert lines == ["a", "b/", "c", "d/"]

    def test_tells_size_and_entity_tag(self, bucket: Bucket) -> None:
        bucket.put("a", b"12345")
        (found,) = bucket.s3.list_objects_v2(Bucket=bucket.name, Prefix=bucket.prefix)["Contents"]
        assert (found["Size"], found["ETag"].strip('"')) == (5, md5(b"12345"))

    def test_of_the_first_version_goes_on_as_well(self, bucket: Bucket) -> None:
        for name in ("a", "b/1", "b/2", "c"):
            bucket.put(name)
        pages = bucket.s3.get_paginator("list_objects").paginate(
            Bucket=bucket.name, Prefix=bucket.prefix, PaginationConfig={"PageSize": 3}
        )
        names = [found["Key"].removeprefix(bucket.prefix) for page in pages for found in page["Contents"]]
        assert names == ["a", "b/1", "b/2", "c"]


class TestRange:
    @pytest.mark.parametrize(
        ("wanted", "content", "told"),
        [
            ("bytes=0-3", b"0123", "bytes 0-3/10"),
            ("bytes=4-", b"456789", "bytes 4-9/10"),
            ("bytes=-3", b"789", "bytes 7-9/10"),
            ("bytes=8-100", b"89", "bytes 8-9/10"),
            ("bytes=9-9", b"9", "bytes 9-9/10"),
        ],
    )
    def test_gives_these_bytes(self, bucket: Bucket, wanted: str, content: bytes, told: str) -> None:
        key = bucket.put("a", b"0123456789")
        answer = bucket.s3.get_object(Bucket=bucket.name, Key=key, Range=wanted)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert (answer["Body"].read(), answer["ContentRange"]) == (content, told)

    @pytest.mark.parametrize("wanted", ["bytes=10-20", "bytes=10-", "bytes=999999999999999999999-"])
    def test_past_the_end_is_refused(self, bucket: Bucket, wanted: str) -> None:
        key = bucket.put("a", b"0123456789")
        refused = refusal(bucket.s3.get_object, Bucket=bucket.name, Key=key, Range=wanted)
        assert refused == (416, "InvalidRange")

    def test_of_an_empty_object_is_refused(self, bucket: Bucket) -> None:
        key = bucket.put("a", b"")
        assert refusal(bucket.s3.get_object, Bucket=bucket.name, Key=key, Range="bytes=0-0") == (416, "InvalidRange")


class TestCondition:
    def test_spares_what_the_reader_already_has(self, bucket: Bucket) -> None:
        key = bucket.put("a")
        etag = bucket.s3.head_object(Bucket=bucket.name, Key=key)["ETag"]
        read = {"Bucket": bucket.name, "Key": key}
        assert refusal(bucket.s3.get_object, **read, IfNoneMatch=etag)[0] == 304
        assert bucket.get(key, IfNoneMatch='"other"') == b"content"
        assert bucket.get(key, IfMatch=etag) == b"content"
        assert refusal(bucket.s3.get_object, **read, IfMatch='"other"') == (412, "PreconditionFailed")

    def test_writes_only_where_nothing_lies(self, bucket: Bucket) -> None:
        key = bucket.put("a", b"first", IfNoneMatch="*")
        second = {"Bucket": bucket.name, "Key": key, "Body": b"second", "IfNoneMatch": "*"}
        assert refusal(bucket.s3.put_object, **second) == (412, "PreconditionFailed")
        assert bucket.get(key) == b"first"


class TestMultipartUpload:
    @pytest.fixture
    def upload(self, bucket: Bucket) -> dict[str, str]:
        """An upload under way, as its calls name it."""
        started = bucket.s3.create_multipart_upload(
            Bucket=bucket.name, Key=bucket.key("video.mp4"), ContentType="video/mp4", Metadata={"job": "7"}
        )
        return {"Bucket": bucket.name, "Key": bucket.key("video.mp4"), "UploadId": started["UploadId"]}

    def send(self, bucket: Bucket, upload: dict[str, str], number: int, content: bytes) -> dict[str, Any]:
        etag = bucket.s3.upload_part(**upload, PartNumber=number, Body=content)["ETag"]
        return {"PartNumber": number, "ETag": etag}

    def test_makes_one_object_of_its_parts(self, bucket: Bucket, upload: dict[str, str]) -> None:
        first, second = b"1" * 5 * MEBIBYTE, b"2" * 1000
        parts = [self.send(bucket, upload, 1, first), self.send(bucket, upload, 2, second)]
        assert bucket.names() == []
        done = bucket.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        assert done["ETag"].strip('"') == f"{md5(bytes.fromhex(md5(first) + md5(second)))}-2"
        head = bucket.s3.head_object(Bucket=bucket.name, Key=upload["Key"])
        assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (
            5 * MEBIBYTE + 1000,
            "video/mp4",
            {"job": "7"},
        )
        assert bucket.get(upload["Key"]) == first + second
        around_the_seam = f"bytes={5 * MEBIBYTE - 2}-{5 * MEBIBYTE + 1}"
        assert bucket.get(upload["Key"], Range=around_the_seam) == b"1122"
        assert refusal(bucket.s3.list_parts, **upload) == (404, "NoSuchUpload")

    def test_lists_the_parts_that_have_arrived(self, bucket: Bucket, upload: dict[str, str]) -> None:
        for number in (3, 1, 2):
            self.send(bucket, upload, number, b"x" * number)
        self.send(bucket, upload, 2, b"replaced")
        parts = bucket.s3.list_parts(**upload)["Parts"]
        assert [(part["PartNumber"], part["Size"]) for part in parts] == [(1, 1), (2, 8), (3, 3)]
        page = bucket.s3.list_parts(**upload, MaxParts=2)
        assert (page["IsTruncated"], page["NextPartNumberMarker"]) == (True, 2)
        (last,) = bucket.s3.list_parts(**upload, PartNumberMarker=2)["Parts"]
        assert last["PartNumber"] == 3

    def test_is_listed_until_it_is_aborted(self, bucket: Bucket, upload: dict[str, str]) -> None:
        self.send(bucket, upload, 1, b"x")
        (found,) = bucket.s3.list_multipart_uploads(Bucket=bucket.name, Prefix=bucket.prefix)["Uploads"]
        assert (found["Key"], found["UploadId"]) == (upload["Key"], upload["UploadId"])
        bucket.s3.abort_multipart_upload(**upload)
        assert "Uploads" not in bucket.s3.list_multipart_uploads(Bucket=bucket.name, Prefix=bucket.prefix)
        assert refusal(bucket.s3.list_parts, **upload) == (404, "NoSuchUpload")
        assert bucket.names() == []

    def test_refuses_parts_that_never_arrived(self, bucket: Bucket, upload: dict[str, str]) -> None:
        part = self.send(bucket, upload, 1, b"x")
        for parts in ([part, part | {"PartNumber": 2}], [part | {"ETag": f'"{md5(b"other")}"'}]):
            asked = {"MultipartUpload": {"Parts": parts}}
            assert refusal(bucket.s3.complete_multipart_upload, **upload, **asked) == (400, "InvalidPart")

    def test_refuses_small_parts_before_the_last(self, bucket: Bucket, upload: dict[str, str]) -> None:
        parts = [self.send(bucket, upload, number, b"x") for number in (1, 2)]
        small = {"MultipartUpload": {"Parts": parts}}
        assert refusal(bucket.s3.complete_multipart_upload, **upload, **small) == (400, "EntityTooSmall")


class TestOurClient:
    """`media.storage` is held to the same by the same buckets."""

    @pytest.mark.parametrize("size_bytes", [0, 1, 17 * MEBIBYTE])
    def test_uploads_a_file_of_any_size(self, bucket: Bucket, tmp_path: Path, size_bytes: int) -> None:
        content = bytes(range(256)) * (size_bytes // 256) + b"x" * (size_bytes % 256)
        (tmp_path / "file").write_bytes(content)
        key = bucket.key("file.mp4")
        bucket.r2.upload_file(file_path=tmp_path / "file", key=key, content_type="video/mp4")
        info = bucket.r2.get_file_info(key)
        assert (info.size_bytes, info.content_type) == (size_bytes, "video/mp4")
        assert bucket.get(key) == content

    def test_lists_tells_and_deletes(self, bucket: Bucket) -> None:
        keys = [bucket.put("b"), bucket.put("a"), bucket.put("c")]
        assert [found.key for found in bucket.r2.list_files(bucket.prefix)] == sorted(keys)
        assert [found.key for found in bucket.r2.list_files(bucket.prefix, after=bucket.key("a"))] == sorted(keys)[1:]
        assert bucket.r2.file_exists(keys[0])
        bucket.r2.delete_file(keys[0])
        bucket.r2.delete_files([*keys, bucket.key("missing")])
        assert not bucket.r2.file_exists(keys[0])
        assert list(bucket.r2.list_files(bucket.prefix)) == []
        bucket.r2.check()
