"""What is saved of a fitted detector."""

import numpy as np

from exp.config import ExperimentConfig
from exp.training.provenance import versions

QUANTILES = (0.0, 0.5, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)


def describe(detector) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the description and the arrays of a fitted AnomalyDetector, as `storage.write` takes them."""
    description = {
        "detector": detector.config_.detector,
        "parameters": detector.get_params(),
        "config": detector.config_.to_dict(),
        "reasons": detector.reasons_,
        "channels": list(getattr(detector, "feature_names_in_", [])),
        "n_features": detector.n_features_in_,
        "score_channels": detector.score_channels_,
        "threshold": detector.threshold_,
        "train_score_quantiles": dict(
            zip(map(str, QUANTILES), np.quantile(detector.decision_scores_, QUANTILES).tolist(), strict=True)
        ),
        "epochs": detector.epochs_,
        "versions": versions(),
    }
    arrays = {
        "offset": detector.offset_,
        "scale": detector.scale_,
        "train_score": detector.decision_scores_,
        "causal_score": detector.causal_scores_,
        **{f"network.{name}": array for name, array in detector._weights().items()},
    }
    return description, arrays


def restore(kind: type, content: dict, arrays: dict[str, np.ndarray], device: str):
    """Return the fitted detector, of the class `kind`, that `describe` told of, on a device."""
    parameters = {"detector": content["detector"], **content["parameters"], "device": device}
    loaded = kind(**{**parameters, "overrides": tuple(parameters["overrides"])})
    loaded.config_ = ExperimentConfig.from_dict(content["config"])
    loaded.reasons_, loaded.epochs_ = content["reasons"], content["epochs"]
    loaded.n_features_in_ = content["n_features"]
    loaded.score_channels_ = content.get("score_channels", loaded.n_features_in_)
    if content["channels"]:
        loaded.feature_names_in_ = np.array(content["channels"], dtype=object)
    loaded.offset_, loaded.scale_ = arrays.pop("offset"), arrays.pop("scale")
    loaded.decision_scores_ = arrays.pop("train_score")
    loaded.causal_scores_ = arrays.pop("causal_score")
    loaded._take_threshold(content["threshold"])
    loaded._restore({name.removeprefix("network."): array for name, array in arrays.items()})
    return loaded
