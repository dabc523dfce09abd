"""What several tests make or look for."""

from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
