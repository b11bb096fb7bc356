"""The bucket itself. There is one, and it is always there."""

from datetime import datetime

from media.sandbox.errors import S3Error
from media.sandbox.messages import Answer, Request


def head_bucket(request: Request, payload_hash: str, now: datetime) -> Answer:
    return Answer(headers={"x-amz-bucket-region": "auto"})


def create_bucket(request: Request, payload_hash: str, now: datetime) -> Answer:
    raise S3Error("BucketAlreadyOwnedByYou", BucketName=request.bucket)
