"""Many at once, over HTTP: the stand-in loses nothing and lets one win."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from media.sandbox.tests.conftest import Bucket

pytestmark = pytest.mark.parametrize("endpoint", ["stand_in"], indirect=True)

AT_ONCE = 8
TIMEOUT_SECONDS = 30


class TestManyAtOnce:
    def test_upload_once_only(self, bucket: Bucket) -> None:
        upload = bucket.r2.generate_presigned_upload(
            key=bucket.key("a"), content_type="image/png", size_bytes=1, only_once=True
        )

        def put(number: int) -> int:
            body = str(number).encode()
            return requests.put(upload.url, data=body, headers=upload.headers, timeout=TIMEOUT_SECONDS).status_code

        with ThreadPoolExecutor(AT_ONCE) as threads:
            statuses = list(threads.map(put, range(AT_ONCE)))
        assert sorted(statuses) == [200] + [412] * (AT_ONCE - 1)
        assert bucket.get(bucket.key("a")) == str(statuses.index(200)).encode()

    def test_write_one_key_and_read_it_whole(self, bucket: Bucket) -> None:
        contents = {bytes([number]) * 300_000 for number in range(AT_ONCE)}
        bucket.put("a", min(contents))

        def write_and_read(content: bytes) -> bytes:
            bucket.put("a", content)
            return bucket.get(bucket.key("a"))

        with ThreadPoolExecutor(AT_ONCE) as threads:
            assert set(threads.map(write_and_read, contents)) <= contents

    def test_write_many_keys(self, bucket: Bucket) -> None:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(lambda number: bucket.put(f"{number:03d}"), range(100)))
        assert bucket.names() == [f"{number:03d}" for number in range(100)]
