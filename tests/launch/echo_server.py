"""The launcher with a tiny graph in place of the whole one: ``python -m tests.launch.echo_server FILE``.

The description of a model says how it behaves: ``fail`` raises while it is constructed, ``slow`` takes a second.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serve_app.launch import environment

environment.prepare(new_cluster=True)

from ray import serve  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import JSONResponse  # noqa: E402

from deployments.errors import ModelUnavailable  # noqa: E402
from serve_app.config.app import AppConfig  # noqa: E402
from serve_app.config.serve_yaml.load import load  # noqa: E402
from serve_app.launch.server import ServerOptions, run  # noqa: E402

SLOW_S = 5.0


@serve.deployment
class Model:
    async def __init__(self, behaviour: str) -> None:
        if behaviour == "slow":
            await asyncio.sleep(1)
        if behaviour == "fail":
            raise ModelUnavailable("The weights are gone.\nThey were here yesterday.")

    async def state(self) -> dict[str, Any]:
        return {"phase": "ready", "progress": 1.0}


@serve.deployment(
    name="ingress",
    ray_actor_options={"num_cpus": 0},
    graceful_shutdown_timeout_s=20,
    graceful_shutdown_wait_loop_s=0.2,
)
class Ingress:
    def __init__(self, models: dict[str, Any]) -> None:
        self._models = models

    async def __call__(self, request: Request) -> JSONResponse:
        if request.url.path == "/slow":
            await asyncio.sleep(SLOW_S)
        if request.url.path != "/readyz":
            return JSONResponse({"path": request.url.path})
        states = {name: await self._state(handle) for name, handle in self._models.items()}
        ready = all(state["phase"] == "ready" for state in states.values())
        body = {"status": "ready" if ready else "starting", "models": states}
        return JSONResponse(body, 200 if ready else 503)

    async def _state(self, handle: Any) -> dict[str, Any]:
        try:
            return await asyncio.wait_for(handle.state.remote(), 0.3)  # type: ignore[no-any-return]
        except Exception:
            return {"phase": "loading", "progress": None, "detail": "slowly"}


def build(config: AppConfig, options: Mapping[str, Mapping[str, Any]]) -> serve.Application:
    models = {
        entry.id: Model.options(name=entry.id, **options.get(entry.id, {})).bind(entry.description)
        for entry in config.models
    }
    return Ingress.options(**options.get("ingress", {})).bind(models)


if __name__ == "__main__":
    sys.exit(run(load(Path(sys.argv[1])), ServerOptions(port=int(sys.argv[2]), ready_timeout_s=120), build=build))
