"""What the results of several seeds have in common: mean and deviation."""

from pathlib import Path

import pandas as pd

from ts_ad_evaluation.files import replacing


def summarise_seeds(figures: dict[int, dict[str, float]], file: Path) -> str:
    """Write mean and deviation over the seeds of every figure, and each seed's own, and return them as text.

    Parameters
    ----------
    figures : dict of int to dict of str to float
        By seed and name.
    file : Path
        A CSV file: figure, mean, deviation (of the sample), seeds (that have the figure), and a column for each seed.
    """
    frame = pd.DataFrame.from_dict(figures, orient="index").astype(float).T
    summary = pd.DataFrame({"mean": frame.mean(axis=1), "deviation": frame.std(axis=1), "seeds": frame.count(axis=1)})
    summary = summary.join(frame).rename_axis("figure")
    with replacing(file) as temporary:
        summary.to_csv(temporary)
    return f"over the seeds\n{summary.to_string(float_format='{:.6g}'.format)}\n"
