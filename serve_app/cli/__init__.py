"""The command line, ``antiphon COMMAND``: a command is the module of its name in ``commands``, loaded on use."""

import importlib
import pkgutil
from typing import Any

import click

from serve_app.cli import commands


class _Commands(click.Group):
    """Finds commands by their modules, so that ``--help`` and one command do not import the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in alphabetic order."""
        names = (
            module.name
            for module in pkgutil.iter_modules([f"{__path__[0]}/commands"])
            if not module.name.startswith("_")
        )
        return sorted(name.replace("_", "-") for name in names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by name, None if there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        name = cmd_name.replace("-", "_")
        command: Any = getattr(importlib.import_module(f"{commands.__name__}.{name}"), name)
        return command if isinstance(command, click.Command) else None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="antiphon")
def main() -> None:
    """Speech and text models served as one graph."""
