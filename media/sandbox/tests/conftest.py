"""The buckets that the suite drives: the stand-in over HTTP and in-process, moto's server, and R2 itself with keys."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from django.conf import settings

from media.storage import R2Client
from media.storage.boto import R2Storage
from smartspec.bench.server import free_port

R2 = pytest.param("r2", marks=pytest.mark.r2_live)
STRICT = ["stand_in", R2]  # moto checks no signatures, and less of what R2 insists on
OVER_HTTP = [*STRICT, "moto"]
EVERYWHERE = ["stand_in_in_process", *OVER_HTTP]
ODD_NAMES = ["a b", "a+b", "a%20b", "a&b=c?d", "ä/ö", "ไทย", "emoji 🎬.mp4", "~tilde'()*!", "a,b;c:d@e$", "#hash"]


@dataclass(frozen=True)
class Bucket:
    """A bucket and boto3's client for it, as any program would set it up. Tests keep to keys below `prefix`."""

    s3: Any
    name: str
    prefix: str
    r2: R2Client

    def key(self, name: str) -> str:
        return f"{self.prefix}{name}"

    def put(self, name: str, body: bytes = b"content", **more: Any) -> str:
        """Put an object and return its key."""
        self.s3.put_object(Bucket=self.name, Key=self.key(name), Body=body, **more)
        return self.key(name)

    def get(self, key: str, **more: Any) -> bytes:
        content: bytes = self.s3.get_object(Bucket=self.name, Key=key, **more)["Body"].read()
        return content

    def names(self, **more: Any) -> list[str]:
        """Return the names of all objects, without the prefix."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self.prefix, **more)
        return [found["Key"].removeprefix(self.prefix) for page in pages for found in page.get("Contents", [])]

    def presign(self, operation: str, key: str, expires_in: int = 60, **more: Any) -> str:
        url: str = self.s3.generate_presigned_url(
            operation, Params={"Bucket": self.name, "Key": key, **more}, ExpiresIn=expires_in
        )
        return url


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave R2 itself alone unless `-m r2_live` asks for it."""
    if "r2_live" in config.option.markexpr:
        return
    live = [item for item in items if item.get_closest_marker("r2_live")]
    config.hook.pytest_deselected(items=live)
    items[:] = [item for item in items if item not in live]


@dataclass(frozen=True)
class Server:
    """This product's web server, as `make run` starts it, without a database: the stand-in needs none."""

    url: str
    process: "subprocess.Popen[bytes]"

    @property
    def endpoint(self) -> str:
        return f"{self.url}/sandbox/r2"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The stand-in over HTTP, in a process of its own."""
    port, folder = free_port(), tmp_path_factory.mktemp("server")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SMARTSPEC_", "STRIPE_", "CLOUDFLARE_"))
    }
    environment |= {
        "PORT": str(port),
        "SMARTSPEC_DATA_DIR": str(folder),
        "SMARTSPEC_LOG_LEVEL": "WARNING",
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
    }
    command = [sys.executable, "-m", "gunicorn", "django.core.wsgi:get_wsgi_application()"]
    command += ["--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--threads", "16", "--log-level", "warning"]
    process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment)
    wait_for_port(port, process)
    yield Server(f"http://localhost:{port}", process)
    process.terminate()
    process.wait(10)


def wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the server never listened")


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    url = f"http://127.0.0.1:{port}"
    outside_client(url, region_name="us-east-1").create_bucket(Bucket=settings.CLOUDFLARE_R2_BUCKET_NAME)
    yield url
    server.stop()


@pytest.fixture
def endpoint(request: pytest.FixtureRequest) -> str:
    """Where the bucket of this test is. Parametrized by its users, with one of the lists above."""
    if request.param == "r2":
        request.getfixturevalue("socket_enabled")
        if settings.R2_SANDBOX:
            pytest.fail("Set the CLOUDFLARE_R2_* variables of a bucket for tests, then run pytest -m r2_live.")
        return str(settings.CLOUDFLARE_R2_ENDPOINT)
    if request.param == "moto":
        return str(request.getfixturevalue("moto_url"))
    if request.param == "stand_in":
        server: Server = request.getfixturevalue("server")
        return server.endpoint
    return str(settings.CLOUDFLARE_R2_ENDPOINT)


@pytest.fixture
def bucket(endpoint: str) -> Iterator[Bucket]:
    s3, r2 = clients(endpoint)
    found = Bucket(s3=s3, name=r2.bucket, prefix=f"tests/{secrets.token_hex(8)}/", r2=r2)
    yield found
    for upload in s3.list_multipart_uploads(Bucket=r2.bucket, Prefix=found.prefix).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=r2.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    for name in found.names():
        s3.delete_object(Bucket=r2.bucket, Key=found.key(name))


@cache
def clients(endpoint: str) -> tuple[Any, R2Client]:
    """Return boto3's client and ours; where requests stay in this process there is only ours."""
    storage = R2Storage(endpoint_url=endpoint)
    is_in_process = endpoint == settings.CLOUDFLARE_R2_ENDPOINT
    s3 = storage.connection.meta.client if is_in_process and settings.R2_SANDBOX else outside_client(endpoint)
    return s3, R2Client(storage)


def outside_client(endpoint: str, **more: Any) -> Any:
    """Return boto3's client as an outside program makes it: nothing set but what R2's documentation tells to set."""
    given = {
        "aws_access_key_id": settings.CLOUDFLARE_R2_ACCESS_KEY_ID,
        "aws_secret_access_key": settings.CLOUDFLARE_R2_SECRET_ACCESS_KEY,
        "region_name": "auto",
        "config": Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    }
    return boto3.session.Session().client("s3", endpoint_url=endpoint, **{**given, **more})
