"""XML as S3 speaks it."""

from datetime import datetime
from xml.etree import ElementTree

from media.sandbox.messages import Answer

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def xml_answer(root: ElementTree.Element) -> Answer:
    """Return the answer whose body is this document."""
    root.set("xmlns", NAMESPACE)
    body = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return Answer(headers={"Content-Type": "application/xml", "Content-Length": str(len(body))}, body=[body])


def xml_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
