"""Large objects in parts: begin, upload parts, list them, complete or abort."""

from datetime import datetime
from xml.etree import ElementTree

from media.sandbox.digests import expected_digests
from media.sandbox.documents import add, read_document, whole_number, xml_answer, xml_time
from media.sandbox.errors import S3Error
from media.sandbox.messages import Answer, Request
from media.sandbox.objects import content_length, kept_headers, precondition
from media.sandbox.store import open_store
from media.sandbox.uploads import (
    abort_upload,
    add_part,
    complete_upload,
    find_parts,
    find_upload,
    find_uploads,
    start_upload,
)

PART_NUMBER_MAX = 10_000
PAGE_MAX = 1000


def create_multipart_upload(request: Request, payload_hash: str, now: datetime) -> Answer:
    upload_id = start_upload(open_store(), key=request.key, headers=kept_headers(request), now=now)
    root = ElementTree.Element("InitiateMultipartUploadResult")
    add(root, "Bucket", request.bucket)
    add(root, "Key", request.key)
    add(root, "UploadId", upload_id)
    return xml_answer(root)


def upload_part(request: Request, payload_hash: str, now: datetime) -> Answer:
    store = open_store()
    number = whole_number(request.parameters, "partNumber", 0, maximum=PART_NUMBER_MAX)
    if number < 1:
        raise S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    upload = find_upload(store, request.key, request.parameters["uploadId"])
    received = store.receive(request.body, content_length(request), expected_digests(request, payload_hash))
    try:
        add_part(store, upload, number=number, received=received, now=now)
    except S3Error:
        store.discard([received.file])
        raise
    return Answer(headers={"ETag": f'"{received.md5}"'})


def complete_multipart_upload(request: Request, payload_hash: str, now: datetime) -> Answer:
    only_new, only_etag = precondition(request)
    etag = complete_upload(
        open_store(),
        key=request.key,
        upload_id=request.parameters["uploadId"],
        wanted=read_wanted(read_document(request, payload_hash, "CompleteMultipartUpload")),
        now=now,
        only_new=only_new,
        only_etag=only_etag,
    )
    root = ElementTree.Element("CompleteMultipartUploadResult")
    add(root, "Location", request.path)
    add(root, "Bucket", request.bucket)
    add(root, "Key", request.key)
    add(root, "ETag", f'"{etag}"')
    return xml_answer(root)


def read_wanted(document: ElementTree.Element) -> list[tuple[int, str]]:
    """Return (number, entity tag) of each part that the object shall be made of."""
    wanted = []
    for part in document.findall("{*}Part"):
        number, etag = part.findtext("{*}PartNumber") or "", part.findtext("{*}ETag") or ""
        if not number.isascii() or not number.isdigit() or not etag:
            raise S3Error("MalformedXML")
        wanted.append((int(number), etag.strip('"')))
    if not wanted or len(wanted) > PART_NUMBER_MAX:
        raise S3Error("MalformedXML")
    return wanted


def abort_multipart_upload(request: Request, payload_hash: str, now: datetime) -> Answer:
    abort_upload(open_store(), request.key, request.parameters["uploadId"])
    return Answer(status=204)


def list_parts(request: Request, payload_hash: str, now: datetime) -> Answer:
    store, parameters = open_store(), request.parameters
    upload = find_upload(store, request.key, parameters["uploadId"])
    limit = min(whole_number(parameters, "max-parts", PAGE_MAX), PAGE_MAX)
    after = whole_number(parameters, "part-number-marker", 0)
    parts = find_parts(store, upload.id, after=after, limit=limit + 1)
    shown = parts[:limit]
    root = ElementTree.Element("ListPartsResult")
    add(root, "Bucket", request.bucket)
    add(root, "Key", request.key)
    add(root, "UploadId", upload.id)
    add(root, "PartNumberMarker", str(after))
    add(root, "NextPartNumberMarker", str(shown[-1].number if shown else after))
    add(root, "MaxParts", str(limit))
    add(root, "IsTruncated", "true" if len(parts) > limit else "false")
    for part in shown:
        element = ElementTree.SubElement(root, "Part")
        add(element, "PartNumber", str(part.number))
        add(element, "LastModified", xml_time(part.modified_at))
        add(element, "ETag", f'"{part.etag}"')
        add(element, "Size", str(part.size_bytes))
    return xml_answer(root)


def list_multipart_uploads(request: Request, payload_hash: str, now: datetime) -> Answer:
    """Tell the uploads under way; all of them at once, as nobody has many here."""
    prefix = request.parameters.get("prefix", "")
    root = ElementTree.Element("ListMultipartUploadsResult")
    add(root, "Bucket", request.bucket)
    add(root, "Prefix", prefix)
    add(root, "IsTruncated", "false")
    for upload in find_uploads(open_store(), prefix):
        element = ElementTree.SubElement(root, "Upload")
        add(element, "Key", upload.key)
        add(element, "UploadId", upload.id)
        add(element, "Initiated", xml_time(upload.started_at))
        add(element, "StorageClass", "STANDARD")
    return xml_answer(root)
