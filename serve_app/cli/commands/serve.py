"""``antiphon serve``: check a configuration file, run it, and say when it is ready or why it is not."""

import sys
from pathlib import Path

import click

from serve_app.launch import environment


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--host", help="Listen there instead of http_options.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Instead of http_options.port; 0 takes a free one.")
@click.option("--grpc-port", type=click.IntRange(0, 65535), help="Instead of grpc_options.port.")
@click.option("--address", help="Join this Ray cluster (`auto`: the one of this machine) instead of starting one.")
@click.option("--dashboard", is_flag=True, help="Start Ray's dashboard too.")
@click.option("--verbose", is_flag=True, help="Show the logs of all processes.")
@click.option(
    "--ready-timeout", type=float, default=1800, show_default=True, help="Seconds until it must be ready."
)
def serve(
    file: Path,
    host: str | None,
    port: int | None,
    grpc_port: int | None,
    address: str | None,
    dashboard: bool,
    verbose: bool,
    ready_timeout: float,
) -> None:
    """Run a configuration file until Ctrl-C.

    Exits with 2 if the file is wrong, with 1 and the reason if it cannot be served.
    """
    environment.prepare(new_cluster=address is None)
    from serve_app.config.serve_yaml.document import ConfigProblems, located
    from serve_app.config.serve_yaml.load import load

    try:
        config = load(file)
    except ConfigProblems as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    for warning in config.warnings:
        click.echo(located(file, warning, "warning: "), err=True)
    from serve_app.launch.server import ServerOptions, run

    sys.exit(run(config, ServerOptions(host, port, grpc_port, address, dashboard, verbose, ready_timeout)))
