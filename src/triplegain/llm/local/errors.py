"""What can be wrong with the local model."""

from __future__ import annotations

from triplegain.domain.errors import TripleGainError


class LocalModelError(TripleGainError):
    """The local model cannot run, or cannot run here; the words say what to do."""
