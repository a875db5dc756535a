"""`clipsum hub export --bundle B --output DIR` and `clipsum hub import DIR --output B`: bundles in a hub's layout."""

from typing import Annotated

import typer
from rich.console import Console

from clipsum import storage
from clipsum.config import DEFAULT_BUNDLE
from clipsum.errors import ItemError, refused
from ray_jobs.options import BundleName
from ray_jobs.places import check_place

hub = typer.Typer(help="Bundles in the layout of a model hub, and back.", no_args_is_help=True)


@hub.command("export", no_args_is_help=True)
def export(
    output: Annotated[str, typer.Option(metavar="DIR", help="Folder or s3:// place, ready to be uploaded.")],
    bundle: BundleName = DEFAULT_BUNDLE,
) -> int:
    """Write a bundle as a hub holds models: config.json, model.safetensors, tokenizer, model card."""
    from clipsum.models.hub_layout import export_bundle

    storage.check_writable(output)
    check_place(output)
    identity = export_bundle(bundle, storage.canonical(output))
    Console().print(f"Bundle {identity} in hub layout: {output}", highlight=False, soft_wrap=True)
    return 0


@hub.command("import", no_args_is_help=True)
def import_(
    source: Annotated[str, typer.Argument(metavar="DIR", help="What was exported: folder, s3:// or a hub's name.")],
    output: Annotated[str, typer.Option(metavar="B", help="Where the bundle goes: local or s3://.")],
) -> int:
    """Make a bundle of what `clipsum hub export` wrote."""
    from clipsum.models.hub_layout import import_bundle

    storage.check_writable(output)
    check_place(output)
    try:
        identity = import_bundle(source, storage.canonical(output))
    except ItemError as error:
        raise refused(f"'{source}' cannot be read", error) from error
    Console().print(f"Bundle {identity}: {output}", highlight=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("hub")
