"""Names of the array types that measures use, for signatures."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Mask: TypeAlias = NDArray[np.bool_]
Integers: TypeAlias = NDArray[np.signedinteger]
Floats: TypeAlias = NDArray[np.floating]
Ranges: TypeAlias = tuple[Integers, Integers]  # first and last indices, as `find_events` gives them
