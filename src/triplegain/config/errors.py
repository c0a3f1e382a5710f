"""What is wrong with a configuration, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triplegain.domain.errors import TripleGainError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: the file (path or name), the line (0: unknown), the dotted key ("": the file), the fault."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigurationError(TripleGainError):
    """The configuration cannot be used. `problems` lists every fault found, not only the first."""

    exit_code = 3

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> ConfigurationError:
        """One error that tells all of them, a line each."""
        return cls("the configuration cannot be used:\n" + "\n".join(f"  {problem}" for problem in problems), problems)
