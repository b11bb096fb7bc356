"""The whole way of a file over HTTP, on the running product: announced, sent, played, deleted, and paid for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from smartspec.testing import Product, run_product

pytestmark = [pytest.mark.serial, pytest.mark.xdist_group("product")]

TIMEOUT_SECONDS = 60
MEGABYTE = 10**6
FILES = [
    ("cat.png", "image/png", "image", b"\x89PNG\r\n\x1a\n" + b"\0" * 1000),
    ("film.mp4", "video/mp4", "video", b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2" + b"\x07" * 20 * MEGABYTE),
    ("song.mp3", "audio/mpeg", "audio", b"ID3\x03\0\0\0\0\0\0" + b"\xff\xfb\x90\0" * 1000),
]


@dataclass
class App:
    """The desktop app of somebody who is logged in."""

    url: str
    token: str

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.request(method, f"{self.url}/api/{path}", json=body, headers=headers, timeout=TIMEOUT_SECONDS)

    def upload(self, filename: str, content_type: str, kind: str, content: bytes) -> dict[str, Any]:
        order = {"filename": filename, "content_type": content_type, "kind": kind, "size_bytes": len(content)}
        created = self.call("POST", "media/assets", order)
        assert created.status_code == 201, created.text
        upload = created.json()["upload"]
        sent = requests.request(
            upload["method"], upload["url"], data=content, headers=upload["headers"], timeout=TIMEOUT_SECONDS
        )
        assert sent.status_code == 200, sent.text
        done = self.call("POST", f"media/assets/{created.json()['asset']['id']}/complete")
        assert done.json()["asset"]["status"] == "stored"
        return dict(done.json()["asset"])


@pytest.fixture
def product() -> Iterator[Product]:
    """A product of its own: nobody else's files are in it, and its days pass for nobody else."""
    with run_product() as running:
        yield running


@pytest.fixture
def app(product: Product) -> App:
    """The demo person's app."""
    login = requests.post(
        f"{product.url}/api/auth/app/v1/auth/login",
        json={"email": "demo@smartspec.test", "password": "demo-pass-4242"},
        timeout=TIMEOUT_SECONDS,
    )
    return App(product.url, login.json()["meta"]["session_token"])


class TestFiles:
    def test_are_sent_listed_played_deleted_and_charged(self, app: App, product: Product) -> None:
        contents = {filename: content for filename, _, _, content in FILES}
        sent = [app.upload(*file) for file in FILES]

        listed = app.call("GET", "media/assets").json()
        assert [asset["id"] for asset in listed["assets"]] == [asset["id"] for asset in reversed(sent)]
        for asset in listed["assets"]:
            content = contents[asset["filename"]]
            whole = requests.get(asset["url"], timeout=TIMEOUT_SECONDS)
            assert (whole.content == content, whole.headers["Content-Type"]) == (True, asset["content_type"])
            part = requests.get(asset["url"], headers={"Range": "bytes=8-11"}, timeout=TIMEOUT_SECONDS)
            assert (part.status_code, part.content) == (206, content[8:12])

        occupied = sum(len(content) for content in contents.values())
        usage = app.call("GET", "media/usage").json()
        assert (usage["objects"], usage["stored_bytes"], usage["used_bytes"]) == (3, occupied, occupied)
        song = sent[2]
        assert app.call("DELETE", f"media/assets/{song['id']}").status_code == 204
        assert requests.get(song["url"], timeout=TIMEOUT_SECONDS).status_code == 404
        left = occupied - song["size_bytes"]
        usage = app.call("GET", "media/usage").json()
        assert (usage["objects"], usage["stored_bytes"], usage["used_bytes"]) == (2, left, occupied)

        # Two days, so that one of them is whole: 0.02 GB x 0.01 / 30. The song has left the quota meanwhile.
        assert product.manage("sandbox", "advance", "--days", "2").returncode == 0
        assert product.manage("bill_storage").returncode == 0
        assert app.call("GET", "media/usage").json()["used_bytes"] == left
        newest = app.call("GET", "credits/transactions?type=usage").json()["transactions"][0]
        assert (newest["reference_type"], newest["amount"]) == ("storage", pytest.approx(-0.0000065, abs=0.0000006))
        assert newest["description"].endswith(": 0.020001 GB on average")
        assert product.manage("reconcile_media").returncode == 0
