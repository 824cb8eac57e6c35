"""Results into a bucket, answered with a link that everybody can read for a while."""

import re
from dataclasses import replace

import httpx

from media.publishing.put import Answer, PutRequest
from media.publishing.s3_bucket import S3Bucket, valid_region
from media.publishing.upload import Content, Uploader, UploadRefused

_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_REGION = re.compile(r"<Region>([^<]{1,64})</Region>")


class S3Destination:
    """A bucket as a place for results."""

    def __init__(self, bucket: S3Bucket) -> None:
        self._bucket = bucket

    def __repr__(self) -> str:
        return f"S3Destination({self._bucket.base!r})"

    async def upload(self, name: str, content: Content, uploader: Uploader) -> str:
        """Store the content under ``name`` below the bucket's prefix, replacing what is there; a presigned link.

        A store that says that the bucket is in another region is believed once, and from then on.

        Raises UploadRefused, and ForbiddenUrl for an address that may not be reached.
        """
        answer = await self._put(name, content, uploader)
        region = _right_region(answer)
        if not answer.good and region is not None and region != self._bucket.region:
            self._bucket = replace(self._bucket, region=region)
            answer = await self._put(name, content, uploader)
        if not answer.good:
            raise UploadRefused(_sentence(self._bucket, answer))
        return self._bucket.link(self._bucket.object_url(name), uploader.policy.link_s)

    async def _put(self, name: str, content: Content, uploader: Uploader) -> Answer:
        url = self._bucket.object_url(name)

        def request() -> PutRequest:
            headers = self._bucket.put_headers(url, content.content_type, content.sha256)
            return PutRequest(httpx.URL(url), headers)

        return await uploader.put(request, content)


def _right_region(answer: Answer) -> str | None:
    match = _REGION.search(answer.text)
    return valid_region(answer.headers.get("x-amz-bucket-region") or (match[1] if match else ""))


def _sentence(bucket: S3Bucket, answer: Answer) -> str:
    code_match = _CODE.search(answer.text)
    code = code_match[1] if code_match else ""
    host = httpx.URL(bucket.base).host
    match code:
        case "NoSuchBucket":
            return f"There is no bucket {bucket.name!r} at {host}; check the bucket's name and the endpoint."
        case "InvalidAccessKeyId":
            return f"{host} does not know the access key id; check it, and the endpoint."
        case "SignatureDoesNotMatch":
            return f"The secret does not belong to the access key id, says {host}; check both."
        case "ExpiredToken" | "InvalidToken":
            return f"The keys are not valid any more, says {host}; use new ones."
        case "EntityTooLarge":
            return f"The result is larger than {host} takes."
        case "RequestTimeTooSkewed":
            return f"The clocks of this server and of {host} differ by minutes."
    status = f"HTTP status {answer.status}{f' ({code})' if code else ''}"
    if answer.status in (401, 403):
        return f"{host} does not let these keys write to the bucket {bucket.name!r}: {status}. Allow s3:PutObject."
    if 300 <= answer.status < 400:
        return f"{host} redirects; use the endpoint of the bucket's own region."
    return f"{host} did not take the object: {status}."
