"""Serves a model of the family as plain objects, and prints what it says,
and what is said of a family that there is not. ``python use.py FOLDER``"""

import asyncio
import sys

from pydantic import ValidationError

from serve_app.config.app import AppConfig
from serve_app.graph.app import build_graph
from serve_app.graph.in_process import InProcess


async def main(folder: str) -> None:
    entry = {"id": "parrot", "family": "echo", "config": {"source": folder}}
    config = AppConfig.model_validate({"models": [entry]})
    build_graph(config)
    models = InProcess(config)
    async with models as gateway:
        words = await gateway._calls["parrot"].one("say", None)
        print((await gateway.states())["parrot"].phase, *words)
    try:
        AppConfig.model_validate({"models": [entry | {"family": "unknown"}]})
    except ValidationError as error:
        print(error.errors()[0]["msg"])


asyncio.run(main(sys.argv[1]))
