"""AWS Signature Version 4, checked as S3 does: in a header, or in the query of a presigned URL.

The request is written down in canonical form, hashed, and signed with a key derived from the secret; see "Signature
Version 4 signing process" in the AWS documentation. The comparison takes the same time whatever differs.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from django.conf import settings

from media.sandbox.errors import S3Error
from media.sandbox.messages import Request

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
REGIONS = ("auto", "us-east-1")  # R2 takes the second for the first
SKEW = timedelta(minutes=15)
PRESIGNED_MAX_SECONDS = 7 * 86_400
TIME_FORMAT = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Claim:
    """What a request says about its own signature."""

    access_key: str
    date: str
    region: str
    signed_headers: list[str]
    signature: str
    signed_at: datetime
    payload_hash: str

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/s3/aws4_request"


def verify(request: Request, now: datetime) -> str:
    """Return the payload hash that was signed: a SHA-256 that the body must have, or `UNSIGNED-PAYLOAD`.

    :raises S3Error: unsigned, malformed, tampered with, expired, or by a key that nobody has.
    """
    parameters, authorization = request.parameters, request.headers.get("authorization", "")
    is_presigned = "X-Amz-Signature" in parameters or "X-Amz-Algorithm" in parameters
    if is_presigned and authorization:
        raise S3Error("InvalidArgument", "Only one auth mechanism allowed.")
    if is_presigned:
        claim = read_presigned(request, now)
    elif authorization:
        claim = read_header(request, authorization, now)
    else:
        raise S3Error("AccessDenied")
    require_signed_headers(request, claim)
    secret = settings.R2_SANDBOX_TOKENS.get(claim.access_key)
    if secret is None:
        raise S3Error("InvalidAccessKeyId", AWSAccessKeyId=claim.access_key)
    expected = sign(canonical_request(request, claim), claim, secret)
    if not same(claim.signature, expected):
        raise S3Error("SignatureDoesNotMatch", AWSAccessKeyId=claim.access_key, SignatureProvided=claim.signature)
    return claim.payload_hash


def same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


# --- Reading the claim --------------------------------------------------------------------------------------------


def read_presigned(request: Request, now: datetime) -> Claim:
    """Read the claim from the query, and refuse it before its time and after its end."""
    malformed = "AuthorizationQueryParametersError"
    parameters = request.parameters
    if len(parameters) != len(request.query):
        raise S3Error(malformed, "Query parameters must not be given twice.")
    if parameters.get("X-Amz-Algorithm") != ALGORITHM:
        raise S3Error(malformed, f"X-Amz-Algorithm only supports {ALGORITHM}.")
    names = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature")
    if missing := [name for name in names if not parameters.get(name)]:
        raise S3Error(malformed, f"Query-string authentication requires {', '.join(missing)}.")
    signed_at = read_time(parameters["X-Amz-Date"], malformed)
    expires = parameters["X-Amz-Expires"]
    if not re.fullmatch(r"[0-9]{1,6}", expires) or not 1 <= int(expires) <= PRESIGNED_MAX_SECONDS:
        raise S3Error(malformed, f"X-Amz-Expires must be a number from 1 to {PRESIGNED_MAX_SECONDS} seconds.")
    expires_at = signed_at + timedelta(seconds=int(expires))
    if now > expires_at:
        raise S3Error("AccessDenied", "Request has expired", Expires=expires_at.isoformat(), ServerTime=now.isoformat())
    if signed_at - now > SKEW:
        raise S3Error("AccessDenied", "Request is not valid yet")
    return make_claim(
        credential=parameters["X-Amz-Credential"],
        signed_headers=parameters["X-Amz-SignedHeaders"],
        signature=parameters["X-Amz-Signature"],
        signed_at=signed_at,
        payload_hash=request.headers.get("x-amz-content-sha256", UNSIGNED_PAYLOAD),
        malformed=malformed,
    )


def read_header(request: Request, authorization: str, now: datetime) -> Claim:
    """Read the claim from `Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`."""
    malformed = "AuthorizationHeaderMalformed"
    scheme, _, rest = authorization.partition(" ")
    if scheme != ALGORITHM:
        raise S3Error("InvalidArgument", "Unsupported Authorization Type", ArgumentName="Authorization")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if missing := [name for name in ("Credential", "SignedHeaders", "Signature") if not fields.get(name)]:
        raise S3Error(malformed, f"The authorization header requires {', '.join(missing)}.")
    signed_at = read_time(request.headers.get("x-amz-date", ""), "AccessDenied")
    if abs(now - signed_at) > SKEW:
        raise S3Error("RequestTimeTooSkewed", RequestTime=signed_at.isoformat(), ServerTime=now.isoformat())
    payload_hash = request.headers.get("x-amz-content-sha256", "")
    if not payload_hash:
        raise S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    return make_claim(
        credential=fields["Credential"],
        signed_headers=fields["SignedHeaders"],
        signature=fields["Signature"],
        signed_at=signed_at,
        payload_hash=payload_hash,
        malformed=malformed,
    )


def read_time(text: str, malformed: str) -> datetime:
    try:
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise S3Error(malformed, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"") from None


def make_claim(
    *, credential: str, signed_headers: str, signature: str, signed_at: datetime, payload_hash: str, malformed: str
) -> Claim:
    parts = credential.split("/")
    if len(parts) < 5:
        raise S3Error(malformed, "The credential is malformed; expecting <access key>/YYYYMMDD/REGION/s3/aws4_request.")
    access_key, (date, region, service, ending) = "/".join(parts[:-4]), parts[-4:]
    if (service, ending) != ("s3", "aws4_request"):
        raise S3Error(malformed, "The credential's scope must end in s3/aws4_request.")
    if region not in REGIONS:
        raise S3Error(malformed, f"The region {region!r} is wrong; expecting 'auto'.", Region="auto")
    if date != signed_at.strftime("%Y%m%d"):
        raise S3Error(malformed, f"Invalid credential date {date!r}; it does not match X-Amz-Date.")
    if payload_hash.startswith("STREAMING-"):
        raise S3Error("NotImplemented", "Bodies signed piece by piece (aws-chunked) are not implemented.")
    if payload_hash != UNSIGNED_PAYLOAD and not re.fullmatch(r"[0-9a-f]{64}", payload_hash):
        raise S3Error("InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a SHA-256 in hexadecimal.")
    return Claim(access_key, date, region, signed_headers.split(";"), signature, signed_at, payload_hash)


def require_signed_headers(request: Request, claim: Claim) -> None:
    """Host and everything of Amazon's must be signed, or somebody on the way could have added it."""
    needed = {"host"} | {name for name in request.headers if name.startswith("x-amz-")}
    if unsigned := sorted(needed - set(claim.signed_headers)):
        message = "There were headers present in the request which were not signed"
        raise S3Error("AccessDenied", message, HeadersNotSigned=", ".join(unsigned))


# --- Signing ------------------------------------------------------------------------------------------------------


def canonical_request(request: Request, claim: Claim) -> str:
    """Return the request as both sides write it down before signing."""
    query = sorted((encode(name), encode(value)) for name, value in request.query if name != "X-Amz-Signature")
    headers = [f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in claim.signed_headers]
    lines = [
        request.method,
        encode(request.path, safe="/"),
        "&".join(f"{name}={value}" for name, value in query),
        "".join(headers),
        ";".join(claim.signed_headers),
        claim.payload_hash,
    ]
    return "\n".join(lines)


def encode(text: str, safe: str = "") -> str:
    return quote(text, safe=safe + "-_.~")


def sign(canonical: str, claim: Claim, secret: str) -> str:
    """Return the signature of a canonical request under the secret."""
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join([ALGORITHM, claim.signed_at.strftime(TIME_FORMAT), claim.scope, digest])
    key = f"AWS4{secret}".encode()
    for part in (claim.date, claim.region, "s3", "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()
