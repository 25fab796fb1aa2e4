import sys

import pandas as pd
import pytest
import torch

from data_provider import Windows
from exp.config import ExperimentConfig
from exp.errors import UserError
from exp.training.observers import EpochTable, Observer, TensorBoard, check_tensorboard, forget_scalars, write_epochs
from exp.training.store import MemoryStore
from exp.training.trainer import Trainer
from models.CrossAD import CrossAD
from tests.support.command_line import WINDOW, settings, values
from tests.support.scalars import expected, scalars

TRAINING = Windows(values()[0][:110], WINDOW)
VALIDATION = Windows(values()[0][110:170], WINDOW, stride=WINDOW)
EPOCHS = [
    {"epoch": 1, "learning_rate": 1e-3, "train_loss": 0.1 + 0.2, "validation_loss": 2.0, "seconds": 0.25},
    {"epoch": 2, "learning_rate": 5e-4, "train_loss": 0.1, "validation_loss": 1e-9, "seconds": 0.5},
]


class Noting(Observer):
    """Records what it receives."""

    def __init__(self):
        self.told, self.closed = [], 0

    def update(self, epochs):
        self.told.append([epoch["epoch"] for epoch in epochs])

    def close(self):
        self.closed += 1


class KeepsNothing(MemoryStore):
    """Has no weights to give."""

    def load_best(self, network):
        pass


def fit(observer, state=None, store=None, **changes):
    config = ExperimentConfig.from_dict(settings(**changes))
    torch.manual_seed(0)
    return Trainer(CrossAD(config.model), config.train, store, observers=[observer]).fit(
        TRAINING, VALIDATION, state=state
    )


@pytest.fixture
def board(tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    return TensorBoard(tmp_path / "board")


def test_observers_see_every_epoch_and_are_closed():
    noting = Noting()
    fit(noting)
    assert noting.told == [[], [1], [1, 2], [1, 2, 3]]
    assert noting.closed == 1


def test_observers_are_closed_after_an_error():
    noting = Noting()
    with pytest.raises(UserError, match="the loss is"):
        fit(noting, train__learning_rate=1e30)
    assert noting.closed == 1


def test_a_finished_training_is_seen_once():
    noting = Noting()
    state = {"progress": {"epochs": EPOCHS, "best_epoch": 1, "best_loss": 2.0, "finished": True}}
    fit(noting, state, store=KeepsNothing())
    assert noting.told == [[1, 2]]


def test_the_table_holds_each_epoch_once_in_full_digits(tmp_path):
    path = tmp_path / "epochs.csv"
    table = EpochTable(path)
    table.update([])
    assert not path.exists()
    table.update(EPOCHS[:1])
    EpochTable(path).update(EPOCHS)  # as after resuming
    assert pd.read_csv(path, float_precision="round_trip").to_dict("records") == EPOCHS
    assert path.read_text().splitlines()[0] == "epoch,learning_rate,train_loss,validation_loss,seconds"


def test_a_table_of_no_epochs_has_a_header(tmp_path):
    write_epochs(tmp_path / "epochs.csv", [])
    assert pd.read_csv(tmp_path / "epochs.csv").empty


def test_scalars_are_there_after_each_epoch(board):
    board.update([])
    assert not board.folder.exists()
    for count in (1, 2, 2):
        board.update(EPOCHS[:count])
        assert scalars(board.folder) == expected(EPOCHS[:count])
    board.close()


def test_the_scalars_of_an_earlier_training_are_replaced(board):
    board.update(EPOCHS[:1])
    board.close()
    (board.folder / "events.out.tfevents.1.of.mine").touch()
    resumed = TensorBoard(board.folder)
    resumed.update(EPOCHS)
    resumed.close()
    assert scalars(board.folder) == expected(EPOCHS)
    forget_scalars(board.folder)
    assert [file.name for file in board.folder.iterdir()] == ["events.out.tfevents.1.of.mine"]


def test_nothing_is_left_of_forgotten_scalars(board):
    board.update(EPOCHS)
    board.close()
    forget_scalars(board.folder)
    assert not board.folder.exists()
    forget_scalars(board.folder)


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"^--tensorboard needs the package tensorboard: pip install tensorboard"):
        check_tensorboard()
