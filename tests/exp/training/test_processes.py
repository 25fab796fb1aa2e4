"""Several processes that train one network together give the same result as a single one."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional

from data_provider import Windows
from exp.config import ExperimentConfig
from exp.training.devices import seed_everything
from exp.training.processes import join
from exp.training.store import FileStore
from exp.training.trainer import Trainer
from models import DETECTORS
from tests.support import command_line
from tests.support.command_line import REPOSITORY, TRAIN_ROWS, WINDOW, settings, values

NO_DROPOUT = {f"model__{name}_dropout": 0.0 for name in ("attn", "proj", "ff")}
CONTEXT = [f"context.bank.{name}" for name in ("prototypes", "sums", "counts")]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def draw_by_window(network):
    """Replace the router's noise by one that depends on the values of a window, not on its place in a batch."""
    router, seen = network.context.router, {}
    router.register_forward_pre_hook(lambda _, inputs: seen.update(windows=inputs[0]))
    n_query = router.linear.out_features
    weights = torch.randn(WINDOW, n_query, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def gumbel_softmax(logits, tau, hard):
        assert hard
        phases = (seen["windows"].double()[:, :, None] * weights).sum(1)  # (N, n)
        uniform = 0.01 + 0.98 * (1000 * phases).frac().abs()
        soft = ((logits - (-uniform.log()).log().float()) / tau).softmax(-1)
        return functional.one_hot(soft.argmax(-1), n_query).to(soft) - soft.detach() + soft

    functional.gumbel_softmax = gumbel_softmax


def train(folder, changes):
    """Train in the processes given by the environment; return each epoch's losses and the network's state."""
    torch.set_num_threads(1)
    config = ExperimentConfig.from_dict(settings(train__train_epochs=3, **NO_DROPOUT, **changes))
    points = torch.from_numpy(values()[0].astype(np.float32))
    parts = points[:TRAIN_ROWS], points[TRAIN_ROWS:]
    seed_everything(config.train.seed)
    network = DETECTORS[config.detector].network(config.model)
    draw_by_window(network)
    with join("cpu") as processes:
        store = FileStore(folder / "checkpoint.pth", folder / "state.pth", config)
        trainer = Trainer(network, config.train, store, processes, bars=False)
        progress = trainer.fit(Windows(parts[0].numpy(), WINDOW), Windows(parts[1].numpy(), WINDOW, stride=WINDOW))
        losses = [[epoch["train_loss"], epoch["validation_loss"]] for epoch in progress.epochs]
        return {"losses": losses, "state": network.state_dict()}


def child(folder, changes, rank, size, port):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    torch.save(train(folder, changes), folder / f"rank_{rank}.pt")


def train_together(folder, changes, size):
    folder.mkdir()
    port = free_port()
    context = command_line._context()
    ranks = [context.Process(target=child, args=(folder, changes, rank, size, port)) for rank in range(size)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
        assert process.exitcode == 0
    return [torch.load(folder / f"rank_{rank}.pt", weights_only=True) for rank in range(size)]


# 137 training windows: the last batch has only 9, an odd number to share.
@pytest.mark.parametrize(
    ("size", "changes"),
    [(2, {}), (2, {"train__batch_size": 17}), (3, {"train__lradj": "1cycle"})],
    ids=["two", "odd batches", "three"],
)
def test_several_processes_give_the_losses_of_one(tmp_path, size, changes):
    (alone,) = train_together(tmp_path / "alone", changes, 1)
    together = train_together(tmp_path / "together", changes, size)
    for own in together:
        np.testing.assert_allclose(own["losses"], alone["losses"], rtol=0, atol=1e-4)
        for name, tensor in own["state"].items():
            torch.testing.assert_close(tensor, together[0]["state"][name], rtol=0, atol=0)
        for name in CONTEXT:
            torch.testing.assert_close(own["state"][name], alone["state"][name], rtol=0, atol=1e-2)


@pytest.mark.slow
def test_torchrun(place):
    launch = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master-port", free_port(), "run.py"]
    ended = subprocess.run(
        [sys.executable, *launch, *place.arguments()], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("epoch 3/3") == 1
    assert ended.stdout.count("VUS_ROC") == 1
    names = {path.name for path in place.results.iterdir()}
    assert {"checkpoint.pth", "a_test_energy.npy", "_vus.csv", "run.json"} <= names
