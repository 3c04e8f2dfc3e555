"""The errors of secateur.

SecateurError
├── InputError (ValueError)             what was given cannot be used: exit code 2
│   ├── FileError (OSError)             missing, unreadable, unwritable
│   ├── FormatError                     a file is not what its format says
│   ├── UnsupportedError                an operator or construct that is not handled
│   ├── NetworkError                    a graph of layers that is not legal
│   └── RegionError                     a region that is empty, unbounded or of another size
├── SolverError (RuntimeError)          a solver broke its contract or is not installed
└── MismatchError (RuntimeError)        an import disagrees with the reference evaluator
"""


class SecateurError(Exception):
    """The root of every error that secateur raises on purpose."""


class InputError(SecateurError, ValueError):
    """What was given cannot be used; the message names it, the place and the mend."""


class FileError(InputError, OSError):
    """A file is missing, cannot be read or cannot be written."""


class FormatError(InputError):
    """A file was read but is not what its format asks for."""


class UnsupportedError(InputError):
    """A file is sound but holds an operator or a construct that is not handled."""


class NetworkError(InputError):
    """A graph of layers is not legal: shapes, names, finiteness or order."""


class RegionError(InputError):
    """A region is inverted, empty, unbounded or of another dimension than its network."""


class SolverError(SecateurError, RuntimeError):
    """A solver is not installed, failed, or answered something that contradicts itself."""


class MismatchError(SecateurError, RuntimeError):
    """An imported network and the reference evaluator of its file disagree."""
