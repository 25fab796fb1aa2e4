"""What the scripts of all peers share: arrays in, time and values out."""

import json
import sys
import time

import numpy as np


def main(measures):
    """Run the measure named on the command line; print its seconds and values as one line of JSON.

    `measures` maps names to functions of (label, score, prediction) that return a dict of numbers.
    """
    name, path = sys.argv[1:]
    arrays = np.load(path)
    label, score = arrays["label"].astype(int), arrays["score"]
    prediction = (score > arrays["threshold"]).astype(int)
    measure = measures[name]
    # A first call on a few points, so that compilation is not timed.
    start = int(np.argmax(label))
    part = slice(max(0, start - 200), start + 200)
    measure(label[part], score[part], prediction[part])
    start = time.perf_counter()
    values = measure(label, score, prediction)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "values": {key: float(value) for key, value in values.items()}}))
