"""However large the file, memory stays flat: in the stand-in's process, and in ours that sends it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from media.sandbox.tests.conftest import Bucket, Server

pytestmark = [pytest.mark.long, pytest.mark.parametrize("endpoint", ["stand_in"], indirect=True)]

MEGABYTE, GIGABYTE = 10**6, 10**9
SERVER_GROWTH_BYTES = 40 * MEGABYTE
CLIENT_GROWTH_BYTES = 150 * MEGABYTE  # a few parts of 16 MiB each, while they are on their way
TIMEOUT_SECONDS = 600


class Zeros:
    """A file of zeros that exists nowhere."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = self._left_bytes = size_bytes

    def __len__(self) -> int:
        return self._size_bytes

    def read(self, size: int = -1) -> bytes:
        taken = self._left_bytes if size < 0 else min(size, self._left_bytes)
        self._left_bytes -= taken
        return bytes(taken)


@contextmanager
def flat_memory(process: psutil.Process, growth_bytes: int) -> Iterator[None]:
    """Assert that the process and its children never grow by more than this meanwhile."""
    is_over, peak = threading.Event(), 0

    def memory() -> int:
        return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)])

    def watch() -> None:
        nonlocal peak
        while not is_over.wait(0.05):
            peak = max(peak, memory())

    before, watcher = memory(), threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
    grown = (peak - before) // MEGABYTE
    assert peak - before < growth_bytes, f"memory grew by {grown} MB"


def warm_up(bucket: Bucket) -> None:
    """Let everything that is loaded once be loaded."""
    requests.get(bucket.presign("get_object", bucket.put("warm", bytes(MEGABYTE))), timeout=TIMEOUT_SECONDS)


class TestObjectOfAGigabyte:
    def test_passes_through_the_stand_in(self, bucket: Bucket, server: Server) -> None:
        warm_up(bucket)
        upload = bucket.r2.generate_presigned_upload(
            key=bucket.key("video.mp4"), content_type="video/mp4", size_bytes=GIGABYTE, expires_in=3600
        )
        with flat_memory(psutil.Process(server.process.pid), SERVER_GROWTH_BYTES):
            done = requests.put(upload.url, data=Zeros(GIGABYTE), headers=upload.headers, timeout=TIMEOUT_SECONDS)
            assert done.status_code == 200
            url, received_bytes = bucket.presign("get_object", bucket.key("video.mp4")), 0
            with requests.get(url, stream=True, timeout=TIMEOUT_SECONDS) as answer:
                for piece in answer.iter_content(MEGABYTE):
                    received_bytes += len(piece)
        assert received_bytes == GIGABYTE


class TestFileOfFiveGigabytes:
    def test_is_uploaded_in_parts(self, bucket: Bucket, server: Server, tmp_path: Path) -> None:
        warm_up(bucket)
        path = tmp_path / "video.mp4"
        with path.open("wb") as sparse:
            sparse.truncate(5 * GIGABYTE - 3)
            sparse.seek(0, 2)
            sparse.write(b"end")
        key = bucket.key("video.mp4")
        with (
            flat_memory(psutil.Process(server.process.pid), SERVER_GROWTH_BYTES),
            flat_memory(psutil.Process(), CLIENT_GROWTH_BYTES + SERVER_GROWTH_BYTES),  # the server is our child
        ):
            bucket.r2.upload_file(file_path=path, key=key, content_type="video/mp4")
        info = bucket.r2.get_file_info(key)
        assert (info.size_bytes, info.content_type) == (5 * GIGABYTE, "video/mp4")
        assert bucket.get(key, Range=f"bytes={5 * GIGABYTE - 4}-") == b"\0end"
