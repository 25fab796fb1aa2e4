"""The network against the published implementation: forward, mask, gradients, steps of the optimiser, scores."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from data_provider import Windows
from data_provider.series import fit_scaler, scaled
from exp.config import TrainConfig
from exp.detection.scorer import Scorer
from exp.training.trainer import make_optimizer
from models.AxonAD import AxonAD, AxonADConfig
from models.AxonAD.axonad import draw_mask
from models.AxonAD.official import official_name
from models.AxonAD.score import mismatch
from tests.support.paths import GOLDEN

FOLDER = GOLDEN / "axonad"
CASES = ("one_channel", "five_channels", "odd_sizes")
OWN = ("d_model", "heads", "horizon", "tail", "momentum", "mask_ratio", "mask_block", "dropout")
ALL_TERMS = "error+mismatch+divergence"


class Case:
    """A published configuration and its results."""

    def __init__(self, name):
        index = json.loads((FOLDER / "index.json").read_text())[name]
        self.published, self.names = index["config"], index["suggested_names"]
        self.order, self.frozen, self.trainable = index["parameter_order"], index["frozen"], index["trainable"]
        with np.load(FOLDER / f"{name}.npz") as arrays:
            self.golden = dict(arrays)

    def __getitem__(self, key):
        return self.golden[key]

    def tensor(self, key):
        return torch.from_numpy(self.golden[key])

    def state(self, group):
        """Return the weights under `group`, by published name."""
        prefix = f"{group}/"
        return {key.removeprefix(prefix): self.tensor(key) for key in self.golden if key.startswith(prefix)}

    def build(self, **changes):
        own = {key: self.published[key] for key in OWN} | {"seq_len": self.published["window"]} | changes
        network = AxonAD(AxonADConfig.from_dict(own), self.published["channels"])
        network.load_official(self.state("state"))
        return network.eval()

    def series(self, scale, part):
        """Return a series as it is scored: by its own mean and standard deviation, or those of training."""
        own = self[f"series_{part}"] if scale == "own_scale" else self["series_train"]
        return scaled(self[f"series_{part}"], *fit_scaler(own, "standard"))

    def windows(self, scale, part):
        every = Windows(self.series(scale, part), self.published["window"])
        return every.gather(torch.arange(len(every)))

    def calibrated(self, **changes):
        network = self.build(**changes)
        network.calibrate(self.windows("own_scale", "train").split(16))
        return network


@pytest.fixture(params=CASES)
def case(request):
    return Case(request.param)


def close(actual, expected, tolerance=1e-5):
    actual = actual.detach().double().numpy() if isinstance(actual, torch.Tensor) else np.asarray(actual)
    assert actual.shape == expected.shape
    assert (np.abs(actual - expected) <= tolerance * np.maximum(1, np.abs(expected))).all()


def test_names_and_parameters(case):
    network = case.build()
    own = {key for key in network.state_dict() if not key.startswith("scale.")}
    assert {official_name(key): key for key in own} == case.names
    parameters = dict(network.named_parameters())
    frozen = {official_name(key) for key, parameter in parameters.items() if not parameter.requires_grad}
    assert frozen == set(case.frozen)
    # The published sharpness is a parameter that is never trained.
    assert sum(p.numel() for p in parameters.values() if p.requires_grad) + 1 == case.trainable


def test_forward(case):
    network, x = case.build(), case.tensor("x")
    _, n = network.encoder.embed(x)
    close(n, case["hidden"])
    queries = network.heads(network.encoder.query(n))
    close(queries, case["query"])
    close(network.heads(network.attention.key(n)), case["key"])
    close(network.attention(queries, n), case["attention_output"])
    close(network(x).reconstruction, case["reconstruction"])
    close(network.predict(n, 0).transpose(1, 2), case["query_predicted"])
    close(network.true_queries(x, 0).transpose(1, 2), case["query_target"])


def test_points_from_any_one_on_are_those_of_the_whole_window(case):
    network, x = case.build(), case.tensor("x")
    _, n = network.encoder.embed(x)
    for first in range(x.shape[1]):
        close(network.predict(n, first).transpose(1, 2), case["query_predicted"][:, :, first:])
        close(network.true_queries(x, first).transpose(1, 2), case["query_target"][:, :, first:])


def check_window_scores(network, x, expected):
    *error, angle, kl = network.represent(x).unbind(1)
    close(sum(error), expected[0])
    close(angle, expected[1])
    close(kl, expected[2], 1e-5)


def test_scores_of_windows(case):
    expected = [case[f"window_{term}"] for term in ("error", "mismatch", "divergence")]
    check_window_scores(case.build(score=ALL_TERMS), case.tensor("x"), expected)


@pytest.mark.parametrize(("key", "ratio", "block"), [("masks", 0.5, 0.5), ("masks_ratio_0.8_block_0.25", 0.8, 0.25)])
def test_masks(case, key, ratio, block):
    config = case.build(mask_ratio=ratio, mask_block=block).config
    for seed, expected in enumerate(case[key]):
        torch.manual_seed(seed)
        np.testing.assert_array_equal(draw_mask(config, len(expected), torch.device("cpu")), expected.astype(bool))


def train(case, step_done=lambda *_: None):
    """Take two steps, and return the network, the outputs and the norms of the whole gradient."""
    network, published = case.build(score=ALL_TERMS).train(), case.published
    optimizer = make_optimizer(
        network,
        TrainConfig(optim="adamw", learning_rate=published["lr"], weight_decay=published["weight_decay"]),
    )
    outputs, norms = [], []
    for step in (1, 2):
        torch.manual_seed(1000 + step)
        output = network(case.tensor(f"batch_{step}"))
        optimizer.zero_grad()
        output.loss.backward()
        step_done(step, network)
        norms.append(float(nn.utils.clip_grad_norm_(network.parameters(), published["clip"])))
        optimizer.step()
        network.after_step()
        outputs.append(output)
    return network, outputs, np.array(norms)


def test_losses_of_two_steps(case):
    _, outputs, norms = train(case)
    close([float(output.reconstruction_loss.detach()) for output in outputs], case["train_reconstruction_loss"])
    close([float(output.query_loss.detach()) for output in outputs], case["train_query_loss"])
    close([float(output.loss.detach()) for output in outputs], case["train_loss"])
    close(norms, case["grad_norm_total"])


def test_query_loss_of_a_given_mask(case):
    network, x, mask = case.build(), case.tensor("batch_1"), case.tensor("mask_1").bool()
    _, n = network.encoder.embed(x)
    close(mismatch(network.predict(n, 0), network.true_queries(x, 0))[mask].mean(), case["train_query_loss"][0])


def test_gradients_of_the_first_step(case):
    found = {}

    def note(step, network):
        if step == 1:
            weights = network.named_parameters()
            found.update({key: weight.grad.norm() for key, weight in weights if weight.grad is not None})

    train(case, note)
    for name, expected in zip(case.order, case["grad_norm_step1"], strict=True):
        assert (case.names[name] in found) == np.isfinite(expected)
        if np.isfinite(expected):
            close(found[case.names[name]], expected)


def test_weights_and_scores_after_two_steps(case):
    network, _, _ = train(case)
    own, after = network.state_dict(), case.state("after")
    assert after.keys() == case.names.keys()
    for name, expected in after.items():
        close(own[case.names[name]].reshape(expected.shape), expected.numpy())
    expected = [case[f"window_{term}_after"] for term in ("error", "mismatch", "divergence")]
    check_window_scores(network, case.tensor("x"), expected)


def test_calibration(case):
    scale = case.calibrated(score=ALL_TERMS).scale
    close(scale.median, case["calibration"][::2])
    close(scale.spread, case["calibration"][1::2])


@pytest.mark.parametrize("scale", ["own_scale", "train_scale"])
@pytest.mark.parametrize(
    ("score", "key", "tolerance"),
    [("error+mismatch", "test_score", 1e-5), (ALL_TERMS, "test_score_with_divergence", 1e-4)],
)
def test_scores_of_the_windows_of_a_series(case, scale, score, key, tolerance):
    network = case.calibrated(score=score, placement="centre")
    represented = network.represent(case.windows(scale, "test"))
    ahead = network.look_ahead
    scores = network.score_sequence(represented)[: len(represented) - ahead].mean(1)
    close(scores, case[f"{key}_{scale}"][ahead:], tolerance)


def test_scores_of_points_as_published(case):
    network = case.calibrated(placement="centre")
    scorer = Scorer(network, case.published["window"])
    scores = scorer.score(case.series("own_scale", "test"), stride=1)
    assert scores.shape == case["series_test"].shape
    close(scores.mean(1), case["point_score_own_scale"])


def test_each_term_where_it_belongs(case):
    """The error at a window's centre and the mismatch at its last point."""
    network = case.calibrated()
    scores = Scorer(network, case.published["window"]).score(case.series("train_scale", "test"), stride=1).mean(1)
    error, angle = case["test_error_train_scale"], case["test_mismatch_train_scale"]
    median, spread = case["calibration"][::2], case["calibration"][1::2]
    length, last = case.published["window"], len(error) - 1
    centre = -(-(length - 1) // 2)  # of the window that starts at 0
    for point, score in enumerate(scores):
        around, ending = (min(max(point - offset, 0), last) for offset in (centre, length - 1))
        expected = (error[around] - median[0]) / spread[0] + (angle[ending] - median[1]) / spread[1]
        close(score, np.array(expected))
