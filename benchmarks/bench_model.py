"""Time a training step and scoring of the networks against the matrix-multiply rate of the same process.

    python benchmarks/bench_model.py --threads 1 --configs MSL SMAP MIXAD_SMD
    python benchmarks/bench_model.py --device cuda --configs all --precision fp32 bf16

NAME_SMD is the detector NAME, all others are CrossAD; the settings are those of `configs/`. For each:
seconds (median over runs), windows/s, floating-point operations by PyTorch's counter, and the rate relative to that of
a large matrix product in the same precision, timed between the runs.
"""

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from exp.config import ExperimentConfig, read_yaml
from exp.training.devices import choose_device, describe_device, mixed_precision
from exp.training.trainer import make_optimizer
from models import DETECTORS

ROOT = Path(__file__).resolve().parents[1]


class Case(NamedTuple):
    """A configuration file below `configs/`, the number of channels in use, and the setting if there are several."""

    file: str
    channels: int
    setting: int | None = None


# The cheapest to compile come first.
CASES = {
    "UCR_2": Case("UCR/config.yaml", 1, 2),
    "UCR_1": Case("UCR/config.yaml", 1, 1),
    "MSL": Case("MSL/config.yaml", 1),
    "SMAP": Case("SMAP/config.yaml", 1),
    "GECCO": Case("GECCO/config.yaml", 9),
    "PSM": Case("PSM/config.yaml", 25),
    "SWAT": Case("SWAT/config.yaml", 31),
    "SMD": Case("SMD/config.yaml", 38),
    "SWAN": Case("SWAN/config.yaml", 38),
    "DualSTF_SMD": Case("SMD/DualSTF.yaml", 38),
    "MIXAD_SMD": Case("SMD/MIXAD.yaml", 38),
    "AxonAD_SMD": Case("SMD/AxonAD.yaml", 38),
}
USUAL = ("MSL", "SMAP", "SWAT", "UCR_1", "MIXAD_SMD", "DualSTF_SMD", "AxonAD_SMD")
PRODUCT_SIZE = {"cpu": 2048, "cuda": 8192}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Row(NamedTuple):
    """One line of the table: seconds of one batch, operations, and rates in operations per second."""

    config: str
    what: str
    precision: str
    compiled: bool
    batch: int
    seconds: float
    windows_per_second: float
    operations: int
    rate: float
    product_rate: float
    share: float


def settings(case: Case) -> ExperimentConfig:
    """Return a case's configuration."""
    mapping = read_yaml(ROOT / "configs" / case.file)
    mapping.pop("series", None)
    chosen = (mapping.pop("settings", None) or {}).get(case.setting, {})
    return ExperimentConfig.from_dict({**mapping, "model": {**mapping["model"], **chosen}})


def timed(action, device: torch.device) -> float:
    """Return the seconds of `action`, until the device has finished."""
    _wait(device)
    start = time.perf_counter()
    action()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(action, product, runs: int, device: torch.device) -> tuple[float, float]:
    """Return the median seconds of `action` and `product`, run alternately."""
    for _ in range(3 if device.type == "cuda" else 1):
        action()
        product()
    seconds = [(timed(action, device), timed(product, device)) for _ in range(runs)]
    own, products = zip(*seconds, strict=True)
    return statistics.median(own), statistics.median(products)


def count(action) -> int:
    """Return the floating-point operations of `action`."""
    with FlopCounterMode(display=False) as counter:
        action()
    return counter.get_total_flops()


def actions(config: ExperimentConfig, x: torch.Tensor, precision: str, compiled: bool) -> dict:
    """Return a training step and the scoring of the windows x, each in its plain form and in the form to time."""
    model = DETECTORS[config.detector].build(config.model, x.shape[2]).to(x.device)
    optimizer = make_optimizer(model, config.train)
    look = model.represent if hasattr(model, "represent") else model.score

    def train_by(forward):
        def train():
            with mixed_precision(x.device, precision):
                loss = forward(x).loss
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        return train

    def score_by(look):
        def score():
            with mixed_precision(x.device, precision):
                look(x)

        return score

    fast = (torch.compile(model), torch.compile(look)) if compiled else (model, look)
    return {"train": (train_by(model), train_by(fast[0])), "score": (score_by(look), score_by(fast[1]))}


def measured(name: str, options: argparse.Namespace, precision: str) -> Iterator[Row]:
    """Yield the rows of one case."""
    device = choose_device(options.device)
    config = settings(CASES[name])
    batch = options.batch or config.train.batch_size
    x = torch.randn(batch, config.model.seq_len, CASES[name].channels, device=device).cumsum(1) * 0.1
    size = options.product_size or PRODUCT_SIZE.get(device.type, 2048)
    left = torch.randn(size, size, device=device).to(DTYPES[precision])
    for what, (plain, fast) in actions(config, x, precision, options.compile).items():
        operations = count(plain)
        seconds, product = measure(fast, lambda: left @ left, options.runs, device)
        rates = operations / seconds, 2 * size**3 / product
        yield Row(
            name, what, precision, options.compile, batch, seconds, batch / seconds, operations,
            *rates, rates[0] / rates[1],
        )  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", nargs="+", choices=[*CASES, "all"], default=list(USUAL))
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda, cuda:N (cpu)")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--batch", type=int, help="windows in a batch (the configuration's)")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--precision", nargs="+", choices=DTYPES, default=["fp32"])
    parser.add_argument("--compile", action="store_true", help="compile the training step and the scoring")
    parser.add_argument("--product_size", type=int, help="rows of the matrix product (2048, on a GPU 8192)")
    parser.add_argument("--csv", type=Path, help="append the rows to this file, each as it is measured")
    return parser


def append(file: Path, row: Row, **more) -> None:
    """Append a row to a CSV file, with the header if the file is new."""
    new = not file.exists()
    with open(file, "a", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*Row._fields, *more])
        if new:
            writer.writeheader()
        writer.writerow({**row._asdict(), **more})


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and write its table; return 1 when a case failed, for example for lack of memory."""
    options = build_parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    device = describe_device(choose_device(options.device))
    print(f"torch {torch.__version__}, {device}, {'compiled' if options.compile else 'eager'}")
    print(
        f"{'config':12s}{'what':6s}{'precision':>10s}{'batch':>6s}{'s':>9s}{'windows/s':>11s}{'GFLOP':>9s}"
        f"{'GFLOP/s':>10s}{'product':>10s}{'share':>7s}"
    )
    failed = False
    for name in list(CASES) if "all" in options.configs else options.configs:
        for precision in options.precision:
            try:
                for row in measured(name, options, precision):
                    print(_line(row), flush=True)
                    if options.csv:
                        append(options.csv, row, device=device, torch=torch.__version__)
            except RuntimeError as error:  # out of memory or a failed compilation: continue with the other cases
                print(f"{name}, {precision}: {' '.join(str(error).split())[:500]}", flush=True)
                failed = True
    return int(failed)


def _line(row: Row) -> str:
    return (
        f"{row.config:12s}{row.what:6s}{row.precision:>10s}{row.batch:6d}{row.seconds:9.4f}"
        f"{row.windows_per_second:11.0f}{row.operations / 1e9:9.2f}{row.rate / 1e9:10.1f}"
        f"{row.product_rate / 1e9:10.1f}{row.share:7.2f}"
    )


if __name__ == "__main__":
    sys.exit(main())
