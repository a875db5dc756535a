"""Which split of a dataset may choose what another one taught."""

AUTO, TEST = "auto", "test"


def check_splits(train: str, validation: str) -> None:
    """Raise ValueError where what chooses the model has taught it, or is what it will be tested on."""
    if validation == TEST:
        raise ValueError(
            f"validation_split '{TEST}' would choose the model by what it is tested on: name another split, or "
            f"'{AUTO}' to hold out a tenth of '{train}'"
        )
    if validation == train:
        raise ValueError(f"validation_split and train_split are both '{train}': give two, or '{AUTO}'")
