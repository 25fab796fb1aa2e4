"""Where the tests find the repository, their golden numbers, and the folder `shared` next to the clone."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDEN = REPOSITORY / "tests" / "golden"
SHARED = REPOSITORY.parent / "shared"
