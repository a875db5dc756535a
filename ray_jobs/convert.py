"""`clipsum convert --bart facebook/bart-base --encoder ViT-B-32 --pretrained openai --output BASE`."""

from typing import Annotated

import typer
from rich.console import Console

from clipsum import storage
from ray_jobs.options import ConfigFile, SetValues
from ray_jobs.places import check_place


def convert(
    bart: Annotated[str, typer.Option(help="A pretrained BART: hub name, folder or s3://; or a bundle that has one.")],
    encoder: Annotated[
        str, typer.Option(metavar="[KIND:]NAME", help="ViT-B-32, clip:…, blip:…, timm:…: name, folder or s3://.")
    ],
    output: Annotated[str, typer.Option(metavar="DIR", help="Where the bundle goes: local or s3://.")],
    pretrained: Annotated[str | None, typer.Option(help="The encoder's weights: tag, file, folder or s3://.")] = None,
    fusion: Annotated[str | None, typer.Option(help="residual (usable at once), concat or gated.")] = None,
    frames: Annotated[int | None, typer.Option(metavar="N", help="Frames of a video; 50 unless told.")] = None,
    config: ConfigFile = None,
    settings: SetValues = None,
) -> int:
    """Make a bundle of a pretrained BART and a frame encoder."""
    from clipsum.models.convert import convert as make
    from clipsum.training.revision import git_revision

    flags = {"model.fusion": fusion, "sampling.frames": frames}
    words = [f"{key}={value}" for key, value in flags.items() if value is not None]
    storage.check_writable(output)
    check_place(output)
    made = make(
        bart,
        encoder,
        pretrained,
        storage.canonical(output),
        config_file=config,
        settings=[*words, *(settings or [])],
        git_revision=git_revision(),
    )
    Console().print(f"Bundle {made}: {output}", highlight=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("convert")
