"""One attempt to deliver a webhook."""

from collections.abc import Sequence

import httpx

from media.errors import ForbiddenUrl
from media.network import Resolver, resolve_with_system
from media.post import PostFailed, PostPolicy, PostResult, post
from serve_app.concurrency import run_off_loop
from serve_app.jobs.webhooks.schedule import GONE, DeliveryFailure
from serve_app.jobs.webhooks.signature import Secret, headers
from serve_app.jobs.webhooks.webhook import Webhook

LARGE_BODY = 256 * 1024  # characters whose signing would hold up an event loop


async def deliver(
    webhook: Webhook,
    policy: PostPolicy,
    secrets: Sequence[Secret],
    now: float,
    resolve: Resolver = resolve_with_system,
) -> int | DeliveryFailure:
    """The status of a receiver that took it, or why it was not taken. It is signed with ``now`` (Unix time).

    Failures name the host of a URL only, since the rest of it may be secret.
    """

    def prepared() -> tuple[bytes, dict[str, str]]:
        body = webhook.body.encode()
        return body, headers(body, webhook.id, now, secrets)

    body, signed = await run_off_loop(prepared, large=len(webhook.body) > LARGE_BODY)
    try:
        answer = await post(webhook.url, body, signed, policy, resolve=resolve)
    except PostFailed as error:
        return DeliveryFailure(error.message)
    except ForbiddenUrl as error:  # the next try would be refused as well
        return DeliveryFailure(error.message, final=True)
    return answer.status if answer.ok else _refusal(httpx.URL(webhook.url).host, answer)


def _refusal(host: str, answer: PostResult) -> DeliveryFailure:
    sentence = f"{host} answered with HTTP status {answer.status}"
    if 300 <= answer.status < 400:
        sentence += ", a redirect, which is not followed; give the final URL"
    elif answer.status == GONE:
        sentence += ": it wants no more"
    return DeliveryFailure(f"{sentence}.", answer.status, answer.retry_after_s)
