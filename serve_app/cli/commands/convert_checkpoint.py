"""``antiphon convert-checkpoint``: the original hate-speech checkpoint as a folder that can be served."""

from pathlib import Path

import click


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--tokenizer",
    required=True,
    metavar="SOURCE",
    help="Folder, hf://org/name@revision or s3://... with tokenizer.json, or with vocab.json and merges.txt. "
    "The original used the repository vinai/bertweet-large of the Hub.",
)
@click.option("--sha256", metavar="HASH", help="Refuse a file that does not have this SHA-256.")
def convert_checkpoint(model: Path, out: Path, tokenizer: str, sha256: str | None) -> None:
    """Convert a checkpoint, such as `model_7` of the hate-speech service, into the new folder OUT.

    MODEL is what torch.save makes of a whole module, or of its state dict. It is a pickle, but nothing that it
    names is imported or executed: its tensors are taken out, and a file that wants more is refused.
    """
    from deployments.errors import AntiphonError
    from deployments.text_classification.conversion import convert

    try:
        converted = convert(model, out, tokenizer, sha256=sha256)
    except AntiphonError as error:
        raise click.ClickException(error.message) from error
    click.echo(f"{model}: sha256 {converted.sha256}")
    click.echo(
        f"  {converted.tensors} tensors, {converted.parameters:,} parameters, {', '.join(converted.dtypes)}"
    )
    if converted.left_out:
        click.echo(f"  left out: {', '.join(converted.left_out)}")
    if converted.assumed:
        click.echo(f"  assumed, since the file does not say: {', '.join(converted.assumed)}")
    click.echo(f"  {len(converted.names)} globals were named; nothing was imported or executed")
    click.echo(f"{out}: labels {', '.join(converted.config.labels)}")
    for name, digest in converted.config.sha256.items():
        click.echo(f"  {name}: sha256 {digest}")
