"""Typed configuration: YAML files and the environment in, one frozen tree of checked values out."""

from __future__ import annotations

from triplegain.config.display import config_as_dict
from triplegain.config.loader import (
    ConfigurationError,
    Problem,
    check_config,
    home_dir,
    home_place,
    load_config,
    read_environment,
)
from triplegain.config.tree import Config

__all__ = [
    "Config",
    "ConfigurationError",
    "Problem",
    "check_config",
    "config_as_dict",
    "home_dir",
    "home_place",
    "load_config",
    "read_environment",
]
