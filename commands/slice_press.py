"""What cells of `slice` lose with loss: the words of its compression and repair."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..engine.errors import InputError
from ..engine.region import Region
from ..slicing.lossy import Lossy
from .aim import tolerance_of
from .compress_method import Wish
from .compress_words import Ranges, Way


@dataclass(frozen=True, slots=True)
class Press:
    """What cells lose with loss, as it was typed.

    Attributes:
        way: method of compression; None for none.
        share, rank: its options.
        repair: the distance that repair is to reach; None for no repair.

    Raises:
        InputError: options without a method, or that do not go with it; a distance that is no
            number above 0.
    """

    way: Way | None = None
    share: float | None = None
    rank: int | None = None
    repair: str | None = None

    def __post_init__(self) -> None:
        """Check that options and method go together."""
        if self.way is None:
            for option in ("share", "rank", "repair"):
                if getattr(self, option) is not None:
                    raise InputError(
                        f"--{option} {getattr(self, option)}: is of compressed cells; name a "
                        "method by --compress too"
                    )
            return
        self._wish(self.way)
        if self.tolerance == 0:
            raise InputError("--repair 0: compression loses something; give a distance above 0")

    @property
    def tolerance(self) -> Fraction | None:
        """The distance that repair is to reach, exactly."""
        return None if self.repair is None else tolerance_of(self.repair, "--repair")

    def lossy(self, region: Region) -> Lossy | None:
        """Return what the cells of a region lose; None for nothing."""
        if self.way is None:
            return None
        return Lossy(self._wish(self.way).method(region, None), self.tolerance)

    def words(self) -> dict[str, object]:
        """Return the options that ask for it."""
        way = None if self.way is None else self.way.value
        return {
            "--compress": way,
            "--share": self.share,
            "--rank": self.rank,
            "--repair": self.repair,
        }

    def _wish(self, way: Way) -> Wish:
        ranges = Ranges.PROVED if way is Way.INT8 else None
        return Wish(way, self.share, rank=self.rank, ranges=ranges)
