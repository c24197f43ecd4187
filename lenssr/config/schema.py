"""The typed top level of the configuration: what is wrong is refused before anything is built."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from lenssr.errors import ConfigError, did_you_mean

__all__ = ["validate"]


class _Node(BaseModel):
    """A config node whose keys are all known."""

    model_config = ConfigDict(extra="forbid", strict=False)


class _Open(BaseModel):
    """A config node whose further keys are arguments of its target."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class _Built(_Open):
    target: str = Field(alias="_target_")
    name: str


class _Dataset(_Built):
    scale: PositiveInt
    image_size: PositiveInt
    target_: Literal["observed", "truth"] = Field(alias="target")
    normalization: Literal["constant", "per_image_minmax"]
    noise: Literal["fresh", "fixed"]
    inputs: Literal["hr", "interpolated", "super_resolved", "truth"]


class _Task(_Open):
    target: str = Field(alias="_target_")
    recipe: dict[str, Any]
    ignores: list[str]


class _Loader(_Node):
    batch_size: PositiveInt
    patch: PositiveInt
    evaluation_patch: PositiveInt | None
    evaluation_batch_size: PositiveInt
    flips: bool
    rotations: bool
    resident: bool | Literal["auto"]


class _Optimizer(_Built):
    lr: float = Field(gt=0)
    schedule: Literal["one_cycle", "constant"]
    warmup: float = Field(gt=0, lt=1)
    cycle: float = Field(ge=1)


# arguments of Lightning's that redefine steps or epochs, on which schedule, samples and resuming rely
_COUNTED = {"accumulate_grad_batches", "limit_train_batches", "max_epochs", "min_epochs", "min_steps", "max_time"}
# what leaves a training without the checkpoint that its test needs
_NEEDED = {"limit_val_batches": (0, False), "enable_checkpointing": (False,), "barebones": (True,)}
_COUNTED |= {"val_check_interval", "check_val_every_n_epoch", "overfit_batches", "fast_dev_run"}


class _Trainer(_Open):
    max_steps: PositiveInt
    validations: PositiveInt
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]

    @model_validator(mode="after")
    def _divides(self) -> _Trainer:
        for name in sorted(_COUNTED & set(self.model_extra or {})):
            raise ValueError(
                f"{name} would change what a step is; the length is max_steps, the batch loader.batch_size"
            )
        for name, useless in _NEEDED.items():
            value = (self.model_extra or {}).get(name)
            if value in useless:
                raise ValueError(
                    f"{name}={value} leaves no checkpoint that a validation chose, and none to test; leave it out"
                )
        if self.max_steps % self.validations:
            below = self.max_steps - self.max_steps % self.validations
            raise ValueError(
                f"max_steps={self.max_steps} is not a multiple of validations={self.validations}, so the last "
                f"steps would go unseen; use max_steps={max(below, self.validations)} or {below + self.validations}, "
                "or other validations"
            )
        return self


class _Search(_Node):
    folder: str
    trial: NonNegativeInt


class _Config(_Node):
    seed: NonNegativeInt
    traceback: bool
    verify: bool = False  # configurations of earlier versions say nothing of it
    stages: dict[str, list[str]]
    search: _Search | None = None  # runs from before there were searches have no such key
    paths: dict[str, str]
    scale: dict[str, Any]
    physics: dict[str, Any]
    dataset: _Dataset
    task: _Task
    model: _Built
    loss: _Built
    loader: _Loader
    optimizer: _Optimizer
    trainer: _Trainer
    callbacks: dict[str, Any]
    logger: dict[str, Any]
    finetune: dict[str, Any] | None = None


def validate(config: dict[str, Any]) -> None:
    """Check a plain configuration.

    Raises:
        ConfigError: naming the first key that is wrong, its value, and what it may be.
    """
    try:
        _Config.model_validate(config)
    except ValidationError as error:
        raise ConfigError(_sentence(error.errors()[0], config)) from error
    size, scale = config["model"].get("scale"), config["dataset"]["scale"]
    if size is not None and size != scale:
        raise ConfigError(f"model.scale={size} contradicts dataset.scale={scale}; set dataset.scale alone.")


def _sentence(problem: Any, config: dict[str, Any]) -> str:
    place = [str(part) for part in problem["loc"] if not str(part).startswith(("constrained", "literal", "bool"))]
    key, value = ".".join(place), problem.get("input")
    if problem["type"] == "extra_forbidden":
        node: Any = config
        for part in place[:-1]:
            node = node[part]
        model = _Config.model_fields if len(place) == 1 else _Loader.model_fields
        return f"There is no config key '{key}'. {did_you_mean(place[-1], [str(k) for k in model])}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{key}: {message}."
    return f"{key}={value}: {message[0].lower()}{message[1:]}."
