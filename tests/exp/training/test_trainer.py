import itertools
import math

import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR

from data_provider import Windows
from exp.config import ExperimentConfig
from exp.errors import UserError
from exp.training import checkpoint
from exp.training.store import FileStore
from exp.training.trainer import Trainer
from models.CrossAD import CrossAD
from tests.support import toy
from tests.support.command_line import WINDOW, settings, values

TRAINING = Windows(values()[0][:110], WINDOW)  # 87 windows
VALIDATION = Windows(values()[0][110:170], WINDOW, stride=WINDOW)


class Watched(Windows):
    """Windows that record which of them are gathered."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.batches_seen = []

    def gather(self, indices):
        self.batches_seen.append(indices.tolist())
        return super().gather(indices)


@pytest.fixture
def trainer(tmp_path):
    def make(**changes):
        config = ExperimentConfig.from_dict(settings(**{"train__batch_size": 20} | changes))
        torch.manual_seed(0)
        store = FileStore(tmp_path / "checkpoint.pth", tmp_path / "state.pth", config)
        return Trainer(CrossAD(config.model), config.train, store)

    return make


def validation_loss(network):
    with torch.no_grad():
        return float(network.eval()(VALIDATION.gather(torch.arange(len(VALIDATION)))).loss)


def test_every_window_once_an_epoch_in_an_order_of_its_own(trainer):
    watched = Watched(values()[0][:110], WINDOW)
    trainer(train__train_epochs=3).fit(watched, VALIDATION)
    assert [len(batch) for batch in watched.batches_seen] == [20, 20, 20, 20, 7] * 3
    seen = list(itertools.chain(*watched.batches_seen))
    epochs = [seen[:87], seen[87:174], seen[174:]]
    assert all(sorted(epoch) == list(range(87)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert list(range(87)) not in epochs


def test_dropout_differs_between_epochs(trainer):
    """If nothing is learned, only random draws can change the loss."""
    progress = trainer(train__learning_rate=1e-30, train__batch_size=87, model__decay=1.0).fit(TRAINING, VALIDATION)
    losses = [epoch["train_loss"] for epoch in progress.epochs]
    assert len(set(losses)) == len(losses) == 3


def test_the_best_weights_are_kept(trainer):
    rising = trainer(train__learning_rate=0.3, train__train_epochs=6, train__patience=9, train__lradj="cosine")
    progress = rising.fit(TRAINING, VALIDATION)
    losses = [epoch["validation_loss"] for epoch in progress.epochs]
    assert progress.best_loss == min(losses)
    assert progress.best_epoch == 1 + losses.index(min(losses))
    assert validation_loss(rising.network) == pytest.approx(min(losses), rel=1e-5)
    again = CrossAD(rising.store.config.model)
    checkpoint.load_network(rising.store.best_path, again, rising.store.config)
    assert validation_loss(again) == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize("patience", [1, 2])
def test_patience(trainer, monkeypatch, patience):
    losses = iter([3.0, 2.0, 2.5, 1.0, 1.0, 1.5, 4.0, 4.0])
    monkeypatch.setattr(Trainer, "_validate", lambda *_: next(losses))
    progress = trainer(train__train_epochs=50, train__patience=patience).fit(TRAINING, VALIDATION)
    assert (len(progress.epochs), progress.best_epoch) == ((3, 2) if patience == 1 else (6, 4))
    assert progress.finished


def test_a_loss_must_be_lower_by_the_least_difference_to_be_better(trainer, monkeypatch):
    losses = iter([3.0, 2.95, 2.92, 2.85, 2.8, 2.8, 2.8])
    monkeypatch.setattr(Trainer, "_validate", lambda *_: next(losses))
    progress = trainer(train__train_epochs=50, train__min_delta=0.1).fit(TRAINING, VALIDATION)
    assert (len(progress.epochs), progress.best_epoch, progress.best_loss) == (7, 4, 2.85)


def test_the_least_difference_can_be_a_share_of_the_best_loss(trainer, monkeypatch):
    losses = iter([3.0, 2.8, 2.6, 2.5, 2.4, 2.4, 2.4])
    monkeypatch.setattr(Trainer, "_validate", lambda *_: next(losses))
    stopping = {"train__min_delta": 0.1, "train__min_delta_mode": "relative", "train__patience": 2}
    progress = trainer(train__train_epochs=50, **stopping).fit(TRAINING, VALIDATION)
    assert (len(progress.epochs), progress.best_epoch, progress.best_loss) == (5, 3, 2.6)


@pytest.mark.parametrize(("lradj", "factors"), [("type1", [1, 1, 0.5, 0.25]), ("type3", [1, 1, 1, 1])])
def test_rates_of_epochs(trainer, lradj, factors):
    progress = trainer(train__train_epochs=4, train__lradj=lradj, train__learning_rate=1e-4).fit(TRAINING, VALIDATION)
    assert [epoch["learning_rate"] for epoch in progress.epochs] == pytest.approx([1e-4 * f for f in factors])


def test_the_rate_of_1cycle_changes_each_step(trainer):
    options = {"train__lradj": "1cycle", "train__learning_rate": 1e-3, "train__pct_start": 0.4}
    cycling = trainer(**options)
    used = []
    cycling.optimizer.register_step_pre_hook(lambda optimizer, *_: used.append(optimizer.param_groups[0]["lr"]))
    cycling.fit(TRAINING, VALIDATION)
    optimizer = torch.optim.Adam([torch.zeros(1)])
    schedule = OneCycleLR(optimizer, max_lr=1e-3, steps_per_epoch=5, epochs=3, pct_start=0.4)
    expected = []
    for _ in range(15):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert used == pytest.approx(expected)
    assert max(used) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_optimisers(trainer, name, kind):
    assert type(trainer(train__optim=name).optimizer) is kind


def test_a_loss_that_is_no_number(trainer, tmp_path):
    with pytest.raises(UserError, match=r"the loss is (nan|inf): lower train\.learning_rate"):
        trainer(train__learning_rate=1e30).fit(TRAINING, VALIDATION)
    assert not list(tmp_path.iterdir())


def test_states(trainer, tmp_path, caplog):
    trained = trainer(train__train_epochs=2)
    assert trained.store.read_state() is None
    trained.fit(TRAINING, VALIDATION)
    state = trained.store.read_state()
    assert state["progress"]["finished"]
    assert math.isfinite(state["progress"]["best_loss"])
    other = ExperimentConfig.from_dict(settings(train__batch_size=20, train__train_epochs=3))
    with pytest.raises(UserError, match=r"state\.pth: .*train\.train_epochs 2 vs\. 3.*without --resume"):
        FileStore(tmp_path / "checkpoint.pth", tmp_path / "state.pth", other).read_state()


def test_an_epoch_of_some_windows_draws_them_anew(trainer):
    watched = Watched(values()[0][:110], WINDOW)
    trainer(train__train_epochs=2, train__epoch_windows=50).fit(watched, VALIDATION)
    assert [len(batch) for batch in watched.batches_seen] == [20, 20, 10] * 2
    first, second = (set(itertools.chain(*watched.batches_seen[k : k + 3])) for k in (0, 3))
    assert len(first) == len(second) == 50
    assert first != second


def test_long_gradients_are_shortened(trainer):
    clipping = trainer(train__grad_norm=1e-3, train__train_epochs=1)
    norms = []

    def note(*_):
        gradients = [weight.grad for weight in clipping.network.parameters()]
        norms.append(float(torch.stack([gradient.norm() for gradient in gradients]).norm()))

    clipping.optimizer.register_step_pre_hook(note)
    clipping.fit(TRAINING, VALIDATION)
    assert norms == pytest.approx([1e-3] * 5, rel=1e-2)


def test_the_optimisers_own_settings(trainer):
    (group,) = trainer(train__optim="adamw", train__weight_decay=5e-5, train__eps=1e-3).optimizer.param_groups
    assert (group["weight_decay"], group["eps"]) == (5e-5, 1e-3)
    (group,) = trainer(train__optim="adamw").optimizer.param_groups
    assert (group["weight_decay"], group["eps"]) == (0.01, 1e-8)


class Following(toy.Toy):
    """The toy with a copy of its weights that follows them, and a mean of the training windows."""

    def __init__(self, channels=2):
        super().__init__(toy.ToyConfig(seq_len=WINDOW), channels)
        self.register_buffer("followed", self.level.detach().clone())
        self.register_buffer("mean", torch.zeros(()))
        self.steps, self.calibrations = [], []

    def after_step(self):
        assert not torch.equal(self.level, self.followed)
        self.followed.copy_(self.level.detach())
        self.steps.append(self.followed.clone())

    def calibrate(self, batches):
        windows = torch.cat(list(batches))
        self.calibrations.append((windows, self.level.detach().clone()))
        self.mean.copy_(windows.mean())


@pytest.fixture
def following(tmp_path, monkeypatch):
    toy.register(monkeypatch)
    mapping = settings(**{"train__batch_size": 20, "train__train_epochs": 4, "train__learning_rate": 0.1})
    mapping["model"] = {"name": "Toy", "seq_len": WINDOW}
    config = ExperimentConfig.from_dict(mapping)

    def make():
        return Trainer(
            Following(), config.train, FileStore(tmp_path / "checkpoint.pth", tmp_path / "state.pth", config)
        )

    return make


def test_what_follows_each_step_and_what_follows_the_training(following, monkeypatch):
    losses = iter([3.0, 1.0, 2.0, 2.0])
    monkeypatch.setattr(Trainer, "_validate", lambda *_: next(losses))
    trained = following()
    trained.fit(TRAINING, VALIDATION)
    network = trained.network
    assert len(network.steps) == 4 * 5
    ((windows, weights),) = network.calibrations
    assert len(windows) == len(TRAINING)
    best = network.steps[2 * 5 - 1]
    for tensor in (weights, network.level, network.followed):
        assert torch.equal(tensor, best)
    stored = checkpoint.load(trained.store.best_path)["weights"]
    assert stored["mean"] == network.mean != 0
    assert torch.equal(stored["followed"], best)


def test_a_training_that_ended_before_the_calibration_is_calibrated_when_it_is_resumed(following, monkeypatch):
    whole = following()
    whole.fit(TRAINING, VALIDATION)
    expected = whole.store.best_path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Following, "calibrate", lambda *_: 1 / 0)
        interrupted = following()
        with pytest.raises(ZeroDivisionError):
            interrupted.fit(TRAINING, VALIDATION)
    assert interrupted.store.best_path.read_bytes() != expected
    resumed = following()
    assert resumed.fit(TRAINING, VALIDATION, state=resumed.store.read_state()).finished
    assert resumed.store.best_path.read_bytes() == expected
