"""`config`: what is in force, and what is wrong with it."""

from __future__ import annotations

import typer
import yaml
from rich.syntax import Syntax

from triplegain.cli.client import JsonOption, tell
from triplegain.cli.tables import print_json
from triplegain.cli.terminal import Terminal
from triplegain.config import ConfigurationError, check_config, config_as_dict, home_dir, load_config, read_environment
from triplegain.config.loader import user_config_dir


def show(as_json: JsonOption = False) -> None:
    """Everything in force, defaults and environment included; secrets are masked."""

    shown = config_as_dict(load_config())
    if as_json:
        print_json(shown)
        return
    console = Terminal(highlight=False)
    console.print(f"# files: {user_config_dir(read_environment())}", style="dim", soft_wrap=True)
    console.print(f"# home:  {home_dir(create=False)}", style="dim", soft_wrap=True)
    text = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)
    if console.is_terminal:
        console.print(Syntax(text, "yaml", background_color="default", word_wrap=True))
    else:
        print(text, end="")


def check(as_json: JsonOption = False) -> None:
    """Every fault with file, line and key. Exit code 3 if there is one."""
    problems = check_config()
    told = "\n".join(map(str, problems)) or "The configuration is valid."
    tell(as_json, {"valid": not problems, "problems": problems}, lambda _: told)
    if problems:
        raise typer.Exit(ConfigurationError.exit_code)
