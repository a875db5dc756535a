"""ClipSum: summaries of how-to videos from a frozen CLIP, a temporal encoder and BART."""

__version__ = "0.1.0"
