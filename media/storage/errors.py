"""Why a file cannot be stored or read, in our words."""

from smartspec.errors import DomainError


class StorageUnavailable(DomainError):
    """The bucket could not be reached, or failed. Trying again later may succeed."""

    code = "storage_unavailable"
    status = 502
    title = "Storage unavailable"


class StorageNotConfigured(DomainError):
    """This server has no bucket, or the bucket does not accept its key."""

    code = "storage_not_configured"
    status = 503
    title = "Storage is not configured"


class StorageRefused(DomainError):
    """The bucket understood the request and does not do it: our mistake."""

    code = "storage_refused"
    status = 502
    title = "Refused by the storage"


class FileMissing(DomainError):
    """No file lies under this key."""

    code = "file_missing"
    status = 404
    title = "File not found"


class KeyInvalid(DomainError):
    """This text cannot be the key of a file."""

    code = "key_invalid"
    status = 422
    title = "Invalid key"


class ExpiryInvalid(DomainError):
    """A presigned URL lives for 1 second to 7 days."""

    code = "expiry_invalid"
    status = 422
    title = "Invalid expiry"
