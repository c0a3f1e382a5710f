"""Typed configuration: YAML files and the environment in, one frozen tree of checked values out."""

from __future__ import annotations

from triplegain.config.display import config_as_dict
from triplegain.config.environment import read_environment
from triplegain.config.errors import ConfigurationError, Problem
from triplegain.config.home import home_dir
from triplegain.config.loader import check_config, load_config
from triplegain.config.tree import Config

__all__ = [
    "Config",
    "ConfigurationError",
    "Problem",
    "check_config",
    "config_as_dict",
    "home_dir",
    "load_config",
    "read_environment",
]
