"""``antiphon classify``: scores of texts, files or standard input, by a server or by this process."""

import os
import sys
from pathlib import Path

import click

from serve_app.cli.classification.run import ClassifyArguments, choose_classifier, classify_all
from serve_app.cli.classification.texts import STDIN
from serve_app.cli.running import run
from serve_app.cli.servers import ModelOptions, model_options


@click.command(epilog="A text that begins with a dash comes after --, as in: antiphon classify -- '-5 degrees'")
@click.argument("texts", nargs=-1, required=True, metavar="TEXT|FILE|-...")
@model_options
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
def classify(
    texts: tuple[str, ...],
    options: ModelOptions,
    output: Path | None,
) -> None:
    """Score texts by the labels of a model, as JSON Lines: one object per text.

    The name of a file stands for the texts in it, one per line (UTF-8), and - for those of standard input; blank
    lines do not count. The API key for a server comes from ANTIPHON_API_KEY.
    """
    if texts.count(STDIN) > 1:
        raise click.UsageError("Standard input (-) can be read once.")
    for name in texts:
        if os.path.isdir(name):
            raise click.UsageError(f"{name} is a folder; name the files in it, or pass it as text by a pipe.")
        if output is not None and os.path.isfile(name) and output.exists() and output.samefile(name):
            raise click.UsageError(f"--output {output} is also an input, and would be lost.")
    failures = run(classify_all(choose_classifier(options), ClassifyArguments(texts, output)))
    sys.exit(1 if failures else 0)
