"""A place in an S3-compatible store: its URLs, and requests to it signed with version 4.

The signatures are botocore's, but the requests are sent by ``upload.py``: boto3 would look the host up again after
its addresses were checked, and follow redirects.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal
from urllib.parse import quote

import httpx
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from media.errors import ForbiddenUrl
from media.publishing.result_names import checked_path
from media.web import parse_url

Addressing = Literal["path", "virtual"]

LONGEST_LINK_S = 7 * 86_400
_LONGEST_PREFIX = 700  # bytes, of the 1024 that a key may have
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_REGION_IN_HOST = re.compile(r"(?:^|\.)s3[.-](?:dualstack\.)?([a-z]+(?:-[a-z0-9]+)+)\.")
_ACCESS_KEY = re.compile(r"[\x21-\x7e]{1,256}")


@dataclass(frozen=True, slots=True)
class S3Bucket:
    """A bucket, or what lies below ``prefix`` in it.

    ``base`` is the URL that keys are appended to; it names the bucket in its host or in its path.
    """

    base: str
    name: str
    region: str
    prefix: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)

    def object_url(self, name: str) -> str:
        """The URL of the object ``name`` below the prefix, unsigned."""
        key = f"{self.prefix}/{name}" if self.prefix else name
        return f"{self.base}/{quote(key, safe='/~')}"

    def put_headers(self, url: str, content_type: str, sha256: str) -> Mapping[str, str]:
        """Headers beside ``Host`` with which these bytes, and no others, may be put there for some minutes."""
        headers = {"Host": httpx.URL(url).netloc.decode(), "Content-Type": content_type}
        request = AWSRequest(method="PUT", url=url, headers=headers)
        request.context["sha256"] = sha256
        _ContentAuth(self._credentials(), "s3", self.region).add_auth(request)
        return {str(name): str(value) for name, value in request.headers.items() if name != "Host"}

    def link(self, url: str, seconds: int) -> str:
        """The object's URL, signed so that everybody may read it for ``seconds`` (at most a week)."""
        request = AWSRequest(method="GET", url=url, headers={"Host": httpx.URL(url).netloc.decode()})
        lifetime = min(max(1, seconds), LONGEST_LINK_S)
        S3SigV4QueryAuth(self._credentials(), "s3", self.region, expires=lifetime).add_auth(request)
        return str(request.url)

    def _credentials(self) -> ReadOnlyCredentials:
        return ReadOnlyCredentials(self.access_key_id, self.secret_access_key, None)


class _ContentAuth(S3SigV4Auth):
    """Signs the content's hash, so that the store detects other bytes even where there is no TLS."""

    def payload(self, request: AWSRequest) -> str:
        return str(request.context["sha256"])


def find_bucket(
    *,
    endpoint_url: str,
    access_key_id: str,
    secret_access_key: str,
    bucket: str = "",
    region: str = "",
    prefix: str = "",
    addressing: Addressing | None = None,
) -> S3Bucket:
    """The bucket that an endpoint and names mean.

    Without ``bucket`` it is the first label of the endpoint's host. Else it goes into the path, unless the host
    starts with it already or ``addressing`` is ``virtual``. Without ``region`` it is read from hosts such as
    ``s3.eu-north-1.amazonaws.com``, and is ``us-east-1`` for others.

    Raises ``ValueError`` with a sentence, which repeats neither key.
    """
    url = _endpoint(endpoint_url)
    if not _ACCESS_KEY.fullmatch(access_key_id):
        raise ValueError("The S3 access key id has to be 1 to 256 visible ASCII characters.")
    if not 0 < len(secret_access_key) <= 1_024:
        raise ValueError("The S3 secret access key has to be 1 to 1024 characters.")
    label, _, rest = url.host.partition(".")
    numeric = _is_address(url.host)
    in_host = not numeric and bool(rest) and (not bucket or url.host.startswith(f"{bucket.lower()}."))
    if not bucket:
        if not in_host or addressing == "path" or label == "s3" or label.startswith("s3-"):
            raise ValueError("The S3 endpoint's host does not start with the bucket's name, so name the bucket.")
        bucket = label
    if not _BUCKET.fullmatch(bucket):
        raise ValueError("The S3 bucket's name has 2 to 255 letters, digits, dots, hyphens and underscores.")
    if addressing == "virtual" and numeric:
        raise ValueError(
            "An S3 endpoint without a host name cannot have the bucket in its host; put it in the path."
        )
    if region and not _REGION.fullmatch(region):
        raise ValueError("The S3 region is a name such as eu-north-1.")
    if addressing != "path" and in_host:
        base = url
    elif addressing == "virtual":
        base = url.copy_with(host=f"{bucket.lower()}.{url.host}")
    else:
        base = url.copy_with(path=f"{url.path.rstrip('/')}/{bucket}")
    return S3Bucket(
        base=str(base).rstrip("/"),
        name=bucket,
        region=region or _region_of(url.host),
        prefix=checked_path(prefix, "The S3 object path", _LONGEST_PREFIX),
        access_key_id=access_key_id,
        secret_access_key=secret_access_key,
    )


def valid_region(value: str) -> str | None:
    """The value, or None if it is not the name of a region."""
    return value if _REGION.fullmatch(value) else None


def _endpoint(text: str) -> httpx.URL:
    try:
        url = parse_url(text, use="taken as S3 endpoints")
    except ForbiddenUrl as error:
        raise ValueError(f"The S3 endpoint cannot be used. {error.message}") from error
    if url.query:
        raise ValueError("The S3 endpoint has a host and perhaps a path, but nothing after a question mark.")
    return url


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _region_of(host: str) -> str:
    match = _REGION_IN_HOST.search(host)
    return match[1] if match else "us-east-1"
