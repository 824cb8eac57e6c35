"""``/wallet/self/...``: what is left to pay with. Nothing is paid here, and any number would be made up."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from deployments.errors import ClientError


class NoAccounts(ClientError):
    """Something of an account was asked for."""

    status = 404
    code = "no_accounts"


def routes() -> list[BaseRoute]:
    """The two routes."""
    return [Route(f"/wallet/self/{kind}", _refuse, methods=["GET"]) for kind in ("api-credit", "package")]


async def _refuse(request: Request) -> Response:
    raise NoAccounts("This server keeps no accounts: there is no credit to ask for, and nothing is charged.")
