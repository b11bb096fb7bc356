"""What the stand-in refuses: S3's codes, with S3's sentences."""

from xml.sax.saxutils import escape

from media.sandbox.messages import Answer

XML_HEADER = '<?xml version="1.0" encoding="UTF-8"?>\n'

# code: (status, message)
KNOWN = {
    "AccessDenied": (403, "Access Denied"),
    "AccessForbidden": (403, "CORSResponse: This CORS request is not allowed."),
    "AuthorizationHeaderMalformed": (400, "The authorization header is malformed."),
    "AuthorizationQueryParametersError": (400, "Error parsing the X-Amz-Credential parameter."),
    "BadDigest": (400, "The Content-MD5 or checksum value that you specified did not match what the server received."),
    "BucketAlreadyOwnedByYou": (409, "Your previous request to create the named bucket succeeded and you own it."),
    "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed object size."),
    "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed object size."),
    "IncompleteBody": (400, "You did not provide the number of bytes specified by the Content-Length HTTP header."),
    "InvalidAccessKeyId": (403, "The access key ID that you provided does not exist in our records."),
    "InvalidArgument": (400, "Invalid Argument"),
    "InvalidDigest": (400, "The Content-MD5 or checksum value that you specified is not valid."),
    "InvalidPart": (400, "One or more of the specified parts could not be found, or its entity tag does not match."),
    "InvalidPartOrder": (400, "The list of parts was not in ascending order."),
    "InvalidRange": (416, "The requested range is not satisfiable"),
    "InvalidRequest": (400, "Invalid Request"),
    "InvalidURI": (400, "Couldn't parse the specified URI."),
    "KeyTooLongError": (400, "Your key is too long."),
    "MalformedXML": (400, "The XML that you provided was not well formed or did not validate."),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
    "NoSuchBucket": (404, "The specified bucket does not exist."),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchUpload": (404, "The specified multipart upload does not exist. It may have been aborted or completed."),
    "NotImplemented": (501, "A parameter or header that you provided implies functionality that is not implemented."),
    "PreconditionFailed": (412, "At least one of the preconditions that you specified did not hold."),
    "RequestTimeTooSkewed": (403, "The difference between the request time and the server's time is too large."),
    "SignatureDoesNotMatch": (
        403,
        "The request signature we calculated does not match the signature you provided. Check your key and signing"
        " method.",
    ),
    "XAmzContentSHA256Mismatch": (400, "The provided 'x-amz-content-sha256' header does not match what was computed."),
}


class S3Error(Exception):
    """One of the codes above; `message` replaces its sentence, `details` are further elements of the body."""

    def __init__(self, code: str, message: str = "", **details: str) -> None:
        super().__init__(code)
        self.code = code
        self.status, known_message = KNOWN[code]
        self.message = message or known_message
        self.details = details

    def answer(self, resource: str, request_id: str) -> Answer:
        """Return the answer with S3's error body."""
        elements = {"Code": self.code, "Message": self.message, "Resource": resource} | self.details
        inner = "".join(f"<{name}>{escape(printable(text))}</{name}>" for name, text in elements.items())
        body = f"{XML_HEADER}<Error>{inner}<RequestId>{request_id}</RequestId></Error>".encode()
        headers = {"Content-Type": "application/xml", "Content-Length": str(len(body))}
        return Answer(status=self.status, headers=headers, body=[body])


def printable(text: str) -> str:
    """Return the text without the characters that XML cannot carry."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
