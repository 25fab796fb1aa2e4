"""What a training has written for TensorBoard."""

import pytest


def scalars(folder):
    """Return (tag, step, value) of all scalars in a folder's event files, none of them purged."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader", reason="needs tensorboard")
    read = []
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for event in loader.EventFileLoader(str(file)).Load():
            read += [(value.tag, event.step, value.tensor.float_val[0]) for value in event.summary.value]
    return read


def expected(epochs):
    """Return what there should be of these epochs."""
    tags = {"loss/train": "train_loss", "loss/validation": "validation_loss", "learning_rate": "learning_rate"}
    return [(tag, epoch["epoch"], pytest.approx(epoch[key])) for epoch in epochs for tag, key in tags.items()]
