"""Outputs that are too big to be answered: uploaded, with a link in their place."""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

from media.publishing.publish import Publisher
from media.publishing.upload import PublishPolicy
from serve_app.concurrency import LARGE_BYTES, run_off_loop
from serve_app.config.jobs import PublishConfig
from serve_app.contracts.contract import JobResult
from serve_app.jobs.options import S3Target
from serve_app.jobs.storage.payloads import to_json
from serve_app.jobs.types import Job

JSON = "application/json"


class Outputs:
    """Uploads what is bigger than the configuration says: where the job says, else where the environment says
    (``UPLOAD_MODE``). With neither all outputs stay as they are.
    """

    def __init__(
        self,
        config: PublishConfig,
        allowed_networks: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Raises ValueError if the environment is wrong."""
        self._over_bytes = config.over_bytes
        self._policy = PublishPolicy(
            max_bytes=config.max_bytes, link_s=config.link_s, allowed_networks=allowed_networks
        )
        self._own = Publisher.from_environment(environment, self._policy)

    def uploads(self, job: Job, size: int) -> bool:
        """Whether an output of this many bytes is uploaded."""
        return (
            size > self._over_bytes
            and not job.options.inline
            and (job.options.s3 is not None or not self._own.inline)
        )

    async def of(self, job: Job, result: JobResult) -> Any:
        """The output of a result. A big attachment is uploaded as the file that it is. Raises any
        ``AntiphonError``.
        """
        if (file := result.attachment) is None:
            return await self.uploaded(job, result.value)
        if self.uploads(job, len(file.data)):
            return {file.key: await self._published(job, file.data, job.id, file.content_type), **result.value}
        large = len(file.data) > LARGE_BYTES
        text = await run_off_loop(lambda: base64.b64encode(file.data).decode(), large=large)
        return {file.key: text, **result.value}

    async def uploaded(self, job: Job, output: Any) -> Any:
        """The output, or ``{"url", "bytes", "content_type"}`` of its JSON. Raises any ``AntiphonError``."""
        if job.options.inline or (job.options.s3 is None and self._own.inline):
            return output
        data = (await asyncio.to_thread(to_json, output)).encode()
        if not self.uploads(job, len(data)):
            return output
        return await self._published(job, data, f"{job.id}.json", JSON)

    async def _published(self, job: Job, data: bytes, name: str, content_type: str) -> dict[str, Any]:
        publisher = self._own if job.options.s3 is None else self._of(job.options.s3)
        published = await publisher.publish(data, name=name, content_type=content_type)
        return {"url": published.url, "bytes": published.bytes, "content_type": published.content_type}

    def _of(self, target: S3Target) -> Publisher:
        return Publisher.for_client(
            endpoint_url=target.endpoint_url,
            access_id=target.access_id,
            access_secret=target.access_secret,
            bucket_name=target.bucket_name,
            object_path=target.object_path,
            policy=self._policy,
        )
