"""How many tokens a text is for a language model, at most, without asking any of them."""

from __future__ import annotations

import re

_LETTERS = re.compile(r"[A-Za-z]")


def tokens_at_most(text: str) -> int:
    """A token for every byte that is no letter, and one for every two letters.

    Some models take each digit for a token of its own, so a share of the bytes alone would be far too low for tables.
    The sum over parts of a text is not less than the whole.
    """
    letters = len(_LETTERS.findall(text))
    return len(text.encode()) - letters + (letters + 1) // 2
