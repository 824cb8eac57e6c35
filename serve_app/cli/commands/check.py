"""``antiphon check``: every mistake in a configuration file, before anything is started."""

import sys
from pathlib import Path

import click


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Check configuration files. Prints `ok`, or every problem with its place; exits with 1 if there is one."""
    from serve_app.config.serve_yaml.document import ConfigProblems, located
    from serve_app.config.serve_yaml.load import load

    failed = False
    for file in files:
        try:
            config = load(file)
        except ConfigProblems as error:
            click.echo(str(error))
            failed = True
            continue
        for warning in config.warnings:
            click.echo(located(file, warning, "warning: "))
        models = sum(len(app.config.models) for app in config.applications)
        deployments = sum(len(app.deployments) for app in config.applications)
        click.echo(f"{file}: ok ({_count(models, 'model')}, {_count(deployments, 'deployment')})")
    sys.exit(1 if failed else 0)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
