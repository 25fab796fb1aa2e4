"""The measures of the package dtaianomaly, with range areas in the mode that follows the rule of 2022."""

from common import main
from dtaianomaly import evaluation


def _vus_2022(label, score, prediction):
    measures = {"roc": evaluation.VolumeUnderROC, "pr": evaluation.VolumeUnderPR}
    return {
        name: measure(max_buffer_size=100, compatibility_mode=True).compute(label, score)
        for name, measure in measures.items()
    }


def _r_auc(label, score, prediction):
    measures = {"roc": evaluation.RangeAreaUnderROC, "pr": evaluation.RangeAreaUnderPR}
    return {
        name: measure(buffer_size=100, compatibility_mode=True).compute(label, score)
        for name, measure in measures.items()
    }


def _f1_pa(label, score, prediction):
    return {"f1": evaluation.PointAdjustedFBeta().compute(label, prediction)}


def _f1_r(label, score, prediction):
    return {"f1": evaluation.RangeBasedFBeta(alpha=0.2).compute(label, prediction)}


def _affiliation(label, score, prediction):
    return {"f1": evaluation.AffiliationFBeta().compute(label, prediction)}


if __name__ == "__main__":
    main({"vus_2022": _vus_2022, "r_auc": _r_auc, "f1_pa": _f1_pa, "f1_r": _f1_r, "affiliation": _affiliation})
