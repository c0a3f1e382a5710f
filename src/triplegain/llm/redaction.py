"""No secret leaves: neither with a reason, nor in a record, nor back from a provider that repeats it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_MASK = "********"
#: What looks like a key even if it is none of ours: providers repeat a wrong one in part.
_KEY_LIKE = re.compile(r"\b(?:sk|xai|pk)-[A-Za-z0-9_*.-]{6,}|\b[Bb]earer\s+[A-Za-z0-9_*.~+/=-]{12,}")
#: Shorter secrets are no secrets, and masking them would tear words apart.
_LENGTH_MIN = 6


class Redactor:
    """Knows the secrets of the process."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted({each for each in secrets if len(each) >= _LENGTH_MIN}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Words that came from outside, without our secrets and without what looks like a key."""
        return _KEY_LIKE.sub(_MASK, self._own(text))

    def tree(self, value: Any) -> Any:
        """JSON-able values without our secrets; nothing else of them changes."""
        match value:
            case str():
                return self._own(value)
            case dict():
                return {key: self.tree(item) for key, item in value.items()}
            case list():
                return [self.tree(item) for item in value]
            case _:
                return value

    def _own(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text
