"""Serves a model of the family as plain objects, and prints what it says. ``python use.py FOLDER``"""

import asyncio
import sys

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


asyncio.run(main(sys.argv[1]))
