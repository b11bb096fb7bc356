"""The bucket itself. There is one, and it is always there."""

from datetime import datetime
from xml.etree import ElementTree

from media.sandbox.documents import add, read_document, xml_answer
from media.sandbox.errors import S3Error
from media.sandbox.messages import Answer, Request
from media.sandbox.store import open_store

DELETE_MAX_KEYS = 1000


def head_bucket(request: Request, payload_hash: str, now: datetime) -> Answer:
    return Answer(headers={"x-amz-bucket-region": "auto"})


def create_bucket(request: Request, payload_hash: str, now: datetime) -> Answer:
    raise S3Error("BucketAlreadyOwnedByYou", BucketName=request.bucket)


def delete_objects(request: Request, payload_hash: str, now: datetime) -> Answer:
    """Delete up to a thousand objects; that one is not there is no error."""
    document = read_document(request, payload_hash, "Delete")
    keys = [found.findtext("{*}Key") or "" for found in document.findall("{*}Object")]
    if not 1 <= len(keys) <= DELETE_MAX_KEYS or not all(keys):
        raise S3Error("MalformedXML")
    open_store().delete(keys)
    root = ElementTree.Element("DeleteResult")
    if document.findtext("{*}Quiet") != "true":
        for key in keys:
            add(ElementTree.SubElement(root, "Deleted"), "Key", key)
    return xml_answer(root)
