"""XML as S3 speaks it, and the numbers in a query."""

import io
from datetime import datetime
from xml.etree import ElementTree

from media.sandbox.digests import Hashing, expected_digests
from media.sandbox.errors import S3Error
from media.sandbox.messages import Answer, Request

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
DOCUMENT_MAX_BYTES = 4 * 1024 * 1024
NUMBER_MAX = 2**31 - 1


def add(parent: ElementTree.Element, name: str, text: str) -> None:
    """Append an element with this text."""
    ElementTree.SubElement(parent, name).text = text


def xml_answer(root: ElementTree.Element) -> Answer:
    """Return the answer whose body is this document."""
    root.set("xmlns", NAMESPACE)
    body = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return Answer(headers={"Content-Type": "application/xml", "Content-Length": str(len(body))}, body=[body])


def xml_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def read_document(request: Request, payload_hash: str, name: str) -> ElementTree.Element:
    """Return the document that the body is.

    :raises S3Error: it is something else, too large, or not what its digests announce.
    """
    buffer, hashing = io.BytesIO(), Hashing(expected_digests(request, payload_hash))
    while piece := request.body.read(DOCUMENT_MAX_BYTES):
        buffer.write(piece)
        hashing.update(piece)
        if buffer.tell() > DOCUMENT_MAX_BYTES:
            raise S3Error("MalformedXML")
    hashing.require()
    text = buffer.getvalue()
    if b"<!" in text:  # declares a type or an entity, or hides something: no program needs that here
        raise S3Error("MalformedXML")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314  (no entities, see above; and signed with our key)
    except ElementTree.ParseError:
        raise S3Error("MalformedXML") from None
    if root.tag.rpartition("}")[2] != name:
        raise S3Error("MalformedXML")
    return root


def whole_number(parameters: dict[str, str], name: str, default: int, *, maximum: int = NUMBER_MAX) -> int:
    """Return a whole number of the query.

    :raises S3Error: InvalidArgument, for anything else.
    """
    text = parameters.get(name, str(default))
    if not text.isascii() or not text.isdigit() or int(text) > maximum:
        raise S3Error("InvalidArgument", f"Argument {name} must be an integer between 0 and {maximum}")
    return int(text)
