"""The measure of the package PATE: with one pair of buffers, and with the four pairs of its default."""

from common import main
from pate.PATE_metric import PATE


def _pate(label, score, prediction):
    return {"pate": PATE(label, score, 100, 100, include_zero=False)}


def _pate_with_zero(label, score, prediction):
    return {"pate": PATE(label, score, 100, 100, include_zero=True)}


if __name__ == "__main__":
    main({"pate": _pate, "pate_with_zero": _pate_with_zero})
