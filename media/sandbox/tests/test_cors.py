"""Which web pages may talk to the stand-in."""

import pytest
import requests

from media.sandbox.tests.conftest import Bucket

pytestmark = pytest.mark.parametrize("endpoint", ["stand_in"], indirect=True)

APP = "tauri://localhost"
ELSEWHERE = "https://elsewhere.example"
TIMEOUT_SECONDS = 30


def ask(url: str, origin: str, method: str = "PUT") -> requests.Response:
    """Send what a browser sends before the request itself."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type,if-none-match",
    }
    return requests.options(url, headers=headers, timeout=TIMEOUT_SECONDS)


class TestPage:
    def test_of_the_app_may_upload_and_read(self, bucket: Bucket) -> None:
        upload = bucket.r2.generate_presigned_upload(key=bucket.key("a"), content_type="image/png", size_bytes=7)
        asked = ask(upload.url, APP)
        assert asked.status_code == 200
        assert asked.headers["Access-Control-Allow-Origin"] == APP
        assert "PUT" in asked.headers["Access-Control-Allow-Methods"]
        assert asked.headers["Access-Control-Allow-Headers"] == "content-type,if-none-match"
        headers = upload.headers | {"Origin": APP}
        done = requests.put(upload.url, data=b"content", headers=headers, timeout=TIMEOUT_SECONDS)
        assert done.headers["Access-Control-Allow-Origin"] == APP
        assert "ETag" in done.headers["Access-Control-Expose-Headers"]
        read = requests.get(
            bucket.presign("get_object", bucket.key("a")), headers={"Origin": APP}, timeout=TIMEOUT_SECONDS
        )
        assert (read.content, read.headers["Access-Control-Allow-Origin"]) == (b"content", APP)

    def test_of_the_app_may_read_why_it_is_refused(self, bucket: Bucket) -> None:
        url = bucket.presign("get_object", bucket.key("missing"))
        refused = requests.get(url, headers={"Origin": APP}, timeout=TIMEOUT_SECONDS)
        assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (404, APP)

    @pytest.mark.parametrize(
        ("origin", "method"), [("https://elsewhere.example", "PUT"), (APP, "PATCH"), (APP, "POST")]
    )
    def test_of_elsewhere_or_with_another_method_may_not(self, bucket: Bucket, origin: str, method: str) -> None:
        url = bucket.presign("put_object", bucket.key("a"))
        asked = ask(url, origin, method)
        assert asked.status_code == 403
        assert b"AccessForbidden" in asked.content
        done = requests.put(url, data=b"content", headers={"Origin": ELSEWHERE}, timeout=TIMEOUT_SECONDS)
        assert "Access-Control-Allow-Origin" not in done.headers

    def test_that_lies_in_the_bucket_runs_no_script_and_sees_no_cookie(self, bucket: Bucket) -> None:
        key = bucket.put("a.html", b"<script>alert(1)</script>", ContentType="text/html")
        answer = requests.get(bucket.presign("get_object", key), timeout=TIMEOUT_SECONDS)
        assert answer.headers["Content-Security-Policy"] == "sandbox"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
