"""Time a training step and scoring of CrossAD against the matrix-multiply rate of the same process.

    python benchmarks/bench_model.py --threads 1 --configs MSL SMAP

For each configuration: seconds (median over runs), windows/s, floating-point operations by PyTorch's counter, and the
share of the rate that a large matrix product reaches in between the runs.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from exp.config import TrainConfig
from exp.devices import mixed_precision
from exp.training import make_optimizer
from models.CrossAD import CrossAD, CrossADConfig

# The windows' shape and depth of the published configurations, and their channels in use.
CASES = {
    "MSL": ({"seq_len": 96, "patch_len": 6, "ms_kernels": [16, 8, 4, 2]}, 1),
    "SMAP": (
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
    "SWAT": (
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
    "UCR_1": (
        {"seq_len": 512, "patch_len": 32, "ms_kernels": [32, 16, 8, 4, 2], "n_query": 3, "bank_size": 16}
        | dict.fromkeys(["e_layers", "d_layers", "m_layers"], 1),
        1,
    ),
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


def actions(name: str, arguments: argparse.Namespace) -> dict:
    """Return a training step and the scoring of one batch, ready to be called."""
    mapping, channels = CASES[name]
    config = CrossADConfig.from_dict(mapping)
    model = CrossAD(config)
    optimizer = make_optimizer(model, TrainConfig())
    x = torch.randn(arguments.batch, config.seq_len, channels).cumsum(1) * 0.1
    forward = torch.compile(model) if arguments.compile else model

    def train():
        with mixed_precision(x.device, arguments.precision):
            loss = forward(x).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def score():
        with mixed_precision(x.device, arguments.precision):
            model.score(x)

    return {"train": train, "score": score}


def main() -> None:
    """Run the benchmark and write its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=128, help="windows in a batch")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--compile", action="store_true", help="compile the training step")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    print(f"torch {torch.__version__}, {arguments.threads} thread(s), batch {arguments.batch}, {arguments.precision}")
    print(
        f"{'config':8s}{'what':8s}{'s':>9s}{'windows/s':>11s}{'GFLOP':>9s}{'GFLOP/s':>9s}{'product':>9s}{'share':>7s}"
    )
    for name in arguments.configs:
        for what, action in actions(name, arguments).items():
            operations = count(action)
            seconds, rate = measure(action, arguments.runs)
            print(
                f"{name:8s}{what:8s}{seconds:9.4f}{arguments.batch / seconds:11.0f}{operations / 1e9:9.2f}"
                f"{operations / seconds / 1e9:9.1f}{rate / 1e9:9.1f}{operations / seconds / rate:7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
