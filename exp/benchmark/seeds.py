"""Summary of the results of several seeds: mean and standard deviation."""

from pathlib import Path

import pandas as pd

from ts_ad_evaluation.files import replacing


def summarise_seeds(values: dict[int, dict[str, float]], file: Path) -> str:
    """Write mean and standard deviation of every value over the seeds, and each seed's own, and return them as text.

    Parameters
    ----------
    values : dict of int to dict of str to float
        By seed and name.
    file : Path
        A CSV file: metric, mean, std (sample standard deviation), seeds (that have the value), and a column for
        each seed.
    """
    frame = pd.DataFrame.from_dict(values, orient="index").astype(float).T
    summary = pd.DataFrame({"mean": frame.mean(axis=1), "std": frame.std(axis=1), "seeds": frame.count(axis=1)})
    summary = summary.join(frame).rename_axis("metric")
    with replacing(file) as temporary:
        summary.to_csv(temporary)
    return f"over the seeds\n{summary.to_string(float_format='{:.6g}'.format)}\n"
