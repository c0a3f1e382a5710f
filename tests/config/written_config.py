"""A configuration made of trees, as files would write it."""

from __future__ import annotations

from typing import Any

from triplegain.config.tree import Config, config_of


def configured(**files: Any) -> Config:
    """Raises ValueError with what is wrong: place and words."""
    config, faults = config_of(files)
    if config is None:
        raise ValueError("; ".join(f"{'.'.join(path)}: {fault.message}" for path, fault in faults))
    return config
