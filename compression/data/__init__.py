"""Data to train on, to repair with and to measure with."""

from .csv_table import Columns
from .dataset import Dataset, Source, Split
from .fits import fits
from .load import Reading, load_data
from .pictures import Part, Scaling

__all__ = [
    "Columns",
    "Dataset",
    "Part",
    "Reading",
    "Scaling",
    "Source",
    "Split",
    "fits",
    "load_data",
]
