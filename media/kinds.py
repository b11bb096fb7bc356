"""What may be stored: four kinds, and the types of each. Nothing here touches the database or the bucket.

What a browser could run (SVG, HTML, scripts) is in none of them: a file of ours must never act in our name. The types
of `other` are always downloads.
"""

from django.db import models


class Kind(models.TextChoices):
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    OTHER = "other"


# The ending of a key, by type: a client's file name is never part of it.
EXTENSIONS: dict[Kind, dict[str, str]] = {
    Kind.IMAGE: {
        "image/png": "png",
        "image/jpeg": "jpg",
        "image/webp": "webp",
        "image/gif": "gif",
        "image/avif": "avif",
    },
    Kind.VIDEO: {"video/mp4": "mp4", "video/webm": "webm", "video/quicktime": "mov"},
    Kind.AUDIO: {
        "audio/mpeg": "mp3",
        "audio/wav": "wav",
        "audio/x-wav": "wav",
        "audio/ogg": "ogg",
        "audio/flac": "flac",
        "audio/aac": "aac",
        "audio/mp4": "m4a",
        "audio/webm": "weba",
    },
    Kind.OTHER: {
        "application/json": "json",
        "application/octet-stream": "bin",
        "application/pdf": "pdf",
        "application/zip": "zip",
        "model/gltf-binary": "glb",
        "text/plain": "txt",
    },
}


def extension(kind: str, content_type: str) -> str | None:
    """Return the ending of a key, or None when the kind does not admit the type."""
    return EXTENSIONS[Kind(kind)].get(content_type)


def is_shown_inline(kind: str) -> bool:
    """Tell whether a browser may show or play the file, instead of downloading it."""
    return kind != Kind.OTHER
