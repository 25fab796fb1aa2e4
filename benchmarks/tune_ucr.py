"""Choose the training settings for UCR on some of its series, then run them on all: both are resumable sweeps.

    python benchmarks/tune_ucr.py --root_path FOLDER --out FOLDER --jobs 2 --all

The candidates share the published networks (`configs/UCR/config.yaml`) and a cap of 300 gradient steps, and
differ in how these are spent. They are compared on the series whose number ends in 3 or 8, up to 198: 40 of 250, a
rule that does not depend on the series. The one with the highest accuracy at 3 % is chosen; ties go to the smaller
mean alpha (the share of points that rank above the anomaly). `--out` gets a folder for each candidate and
`candidates.csv`.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from exp.benchmark.suites import UCR
from exp.cli.sweep import main as sweep
from ts_ad_evaluation.files import replacing

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "UCR" / "config.yaml"
CANDIDATES = {
    "steps_300": ["train.epoch_windows=3840", "train.learning_rate=1e-3"],
    "steps_300_rate_3e-3": ["train.epoch_windows=3840", "train.learning_rate=3e-3"],
    "steps_300_cosine": ["train.epoch_windows=3840", "train.learning_rate=1e-3", "train.lradj=cosine"],
}


def chosen_on(folder: Path) -> list[str]:
    """Return the numbers of the series used for the choice, if the folder has them."""
    return [number for number in numbers(folder) if number[-1] in "38" and int(number) <= 198]


def numbers(folder: Path) -> list[str]:
    """Return the numbers of all series in a folder."""
    return sorted(file.name[:3] for file in folder.glob("[0-9][0-9][0-9]_*.txt"))


def run(name: str, series: list[str], options: argparse.Namespace) -> pd.DataFrame:
    """Do what is left of a candidate's sweep over some series, and return its table."""
    out = options.out / name
    arguments = ["--config", str(CONFIG), "--root_path", str(options.root_path), "--save_path", str(out)]
    arguments += ["--series", ",".join(series), "--device", options.device, "--seed", str(options.seed)]
    arguments += ["--jobs", str(options.jobs), "--set", *CANDIDATES[name]]
    if sweep(UCR, "run_UCR.py", arguments) not in (0, 1):
        sys.exit(2)
    table = pd.read_csv(next(out.glob("*/ucr.csv")))
    return table[table["name"].str[:3].isin(series)]


def main() -> int:
    """Run the candidates, choose, and run the choice on all series if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--root_path", type=Path, required=True, help="the folder of the series")
    add("--out", type=Path, required=True)
    add("--device", default="auto")
    add("--jobs", type=int, default=1)
    add("--seed", type=int, default=2025)
    add("--all", action="store_true", help="then run the chosen settings on all series of the folder")
    options = parser.parse_args()
    series = chosen_on(options.root_path)
    if not series:
        sys.stderr.write(f"error: {options.root_path}: contains none of UCR's series: correct --root_path\n")
        return 2
    rows = []
    for name in CANDIDATES:
        table = run(name, series, options)
        rows.append(
            [name, len(table), table["3_alpha"].mean(), table["10_alpha"].mean(), table["alpha_quantile"].mean()]
        )
    found = pd.DataFrame(rows, columns=["candidate", "series", "accuracy_3", "accuracy_10", "mean_alpha"])
    found = found.sort_values(["accuracy_3", "mean_alpha"], ascending=[False, True])
    with replacing(options.out / "candidates.csv") as temporary:
        found.to_csv(temporary, index=False)
    print(found.to_string(index=False))
    if options.all:
        best = found["candidate"].iloc[0]
        table = run(best, numbers(options.root_path), options)
        own = table["name"].str[:3].isin(series)
        for title, part in (("chosen on", table[own]), ("the others", table[~own])):
            print(f"{best}, {title}: accuracy at 3 % {part['3_alpha'].mean():.4f} over {len(part)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
