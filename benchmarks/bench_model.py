"""Time a training step and scoring of the networks against the matrix-multiply rate of the same process.

    python benchmarks/bench_model.py --threads 1 --configs MSL SMAP MIXAD_SMD

MIXAD_SMD is MIXAD, DualSTF_SMD is Dual-STF, all others are CrossAD. For each configuration: seconds (median over
runs), windows/s, floating-point operations by PyTorch's counter, and the share of the rate that a large matrix product
reaches in between the runs.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from exp.config import TrainConfig
from exp.training.devices import mixed_precision
from exp.training.trainer import make_optimizer
from models import DETECTORS


class Case(NamedTuple):
    """The windows' shape and depth of a published configuration, its channels in use, and windows in a batch."""

    mapping: dict
    channels: int
    batch: int = 128
    detector: str = "CrossAD"


CASES = {
    "MSL": Case({"seq_len": 96, "patch_len": 6, "ms_kernels": [16, 8, 4, 2]}, 1),
    "SMAP": Case(
        {
            "seq_len": 192,
            "patch_len": 8,
            "ms_kernels": [24, 12, 6],
            "d_model": 256,
            "n_heads": 8,
            "decay": 0.9,
        }
        | dict.fromkeys(["e_layers", "d_layers", "m_layers"], 1)
        | dict.fromkeys(["attn_dropout", "proj_dropout", "ff_dropout"], 0.0),
        1,
    ),
    "SWAT": Case(
        {
            "seq_len": 192,
            "patch_len": 6,
            "ms_kernels": [32, 16, 8, 4, 2],
            "d_model": 256,
            "n_heads": 8,
            "decay": 0.9,
        }
        | dict.fromkeys(["attn_dropout", "proj_dropout", "ff_dropout"], 0.2),
        31,
    ),
    "UCR_1": Case(
        {"seq_len": 512, "patch_len": 32, "ms_kernels": [32, 16, 8, 4, 2], "n_query": 3, "bank_size": 16}
        | dict.fromkeys(["e_layers", "d_layers", "m_layers"], 1),
        1,
    ),
    "MIXAD_SMD": Case({"seq_len": 30, "max_diffusion_step": 3, "mem_num": 5}, 38, batch=256, detector="MIXAD"),
    "DualSTF_SMD": Case({}, 38, batch=64, detector="DualSTF"),
}


def product_seconds(size: int, dtype: torch.dtype) -> float:
    """Seconds of one square matrix product of `size`."""
    left = torch.ones(size, size, dtype=dtype)
    start = time.perf_counter()
    left @ left
    return time.perf_counter() - start


def measure(action, runs: int, size: int = 2048) -> tuple[float, float]:
    """Return the median seconds of `action` and the median rate (operations/s) of fp32 products run between."""
    action()
    product_seconds(size, torch.float32)
    seconds, rates = [], []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
        rates.append(2 * size**3 / product_seconds(size, torch.float32))
    return statistics.median(seconds), statistics.median(rates)


def count(action) -> int:
    """Return the floating-point operations of `action`."""
    with FlopCounterMode(display=False) as counter:
        action()
    return counter.get_total_flops()


def actions(case: Case, batch: int, arguments: argparse.Namespace) -> dict:
    """Return a training step and the scoring of one batch, ready to be called."""
    detector = DETECTORS[case.detector]
    config = detector.config.from_dict(case.mapping)
    model = detector.build(config, case.channels)
    optimizer = make_optimizer(model, TrainConfig())
    x = torch.randn(batch, config.seq_len, case.channels).cumsum(1) * 0.1
    forward = torch.compile(model) if arguments.compile else model
    look = model.represent if hasattr(model, "represent") else model.score

    def train():
        with mixed_precision(x.device, arguments.precision):
            loss = forward(x).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def score():
        with mixed_precision(x.device, arguments.precision):
            look(x)

    return {"train": train, "score": score}


def main() -> None:
    """Run the benchmark and write its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, help="windows in a batch; by default 128, of MIXAD 256, of Dual-STF 64")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--compile", action="store_true", help="compile the training step")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    print(f"torch {torch.__version__}, {arguments.threads} thread(s), {arguments.precision}")
    print(
        f"{'config':12s}{'what':6s}{'batch':>6s}{'s':>9s}{'windows/s':>11s}{'GFLOP':>9s}{'GFLOP/s':>9s}"
        f"{'product':>9s}{'share':>7s}"
    )
    for name in arguments.configs:
        case = CASES[name]
        batch = arguments.batch or case.batch
        for what, action in actions(case, batch, arguments).items():
            operations = count(action)
            seconds, rate = measure(action, arguments.runs)
            print(
                f"{name:12s}{what:6s}{batch:6d}{seconds:9.4f}{batch / seconds:11.0f}{operations / 1e9:9.2f}"
                f"{operations / seconds / 1e9:9.1f}{rate / 1e9:9.1f}{operations / seconds / rate:7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
