"""A recipe: one Python file that says what is trained, on what and how."""

import abc
import dataclasses
import importlib.util
import inspect
import json
import sys
import typing
from pathlib import Path
from typing import Literal

import keras

from s2s_keras.data import speech_dataset
from s2s_keras.losses import CTC
from s2s_keras.metrics import WordErrorRate
from s2s_keras.training import distribution
from s2s_keras.training.settings import check_names, convert, describe


@typing.dataclass_transform()
@dataclasses.dataclass
class Recipe(abc.ABC):
    """What is trained, on what and how: subclass it, in one Python file.

    Typed fields are the settings, with their defaults; `s2s-keras train FILE --set NAME=VALUE` changes them. Methods
    build the parts. `model` and `training_data` have to be written, the others have defaults for speech recognition
    with CTC. A subclass is a dataclass without being decorated, and a new default needs no type: `epochs = 50`.

    Args:
        epochs: int, passes over the training data. Default 10.
        batch_size: int, examples per step and process. Default 16.
        learning_rate: float, of the default optimizer; what it means is the business of `optimizer`. Default 1e-3.
        seed: int, of weights, shuffling, augmentation and dropout. Default 1.
        dtype_policy: "float32", "mixed_float16" or "mixed_bfloat16". Weights are float32 under all of them. Default
            "float32".
        loss_scale: "backoff", "logmax" or float, how the loss is scaled under "mixed_float16"; see
            `s2s_keras.optimizers.LossScale`. The other policies need no scale. Default "backoff".
        checkpoint_every_steps: int or None, steps between checkpoints besides the one after every epoch. Default None.
        keep_checkpoints: int, the last ones that are kept, besides the best. Default 3.
        monitor: str, the metric that says which checkpoint is the best. Default "val_loss"; "loss" is taken where a
            recipe has no validation data.
        monitor_mode: "min" or "max", which values of it are better. Default "min".

    Raises:
        ValueError: a field's value does not have the type that the class declares for it.

    Example:

    >>> class Tiny(Recipe):
    ...     epochs = 3
    ...     width: float = 1.0
    ...     def model(self):
    ...         return keras.Sequential([keras.Input((4,)), keras.layers.Dense(int(8 * self.width))])
    ...     def training_data(self, model):
    ...         raise NotImplementedError
    >>> recipe = Tiny(width="0.5")
    >>> recipe.epochs, recipe.width, recipe.model().output_shape
    (3, 0.5, (None, 4))

    Reference: OpenSeq2Seq's configuration files, Python too, but dictionaries of dictionaries whose scalars were
    overridden by path and whose types were guessed from the text.
    """

    epochs: int = 10
    batch_size: int = 16
    learning_rate: float = 1e-3
    seed: int = 1
    dtype_policy: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    loss_scale: Literal["backoff", "logmax"] | float = "backoff"
    checkpoint_every_steps: int | None = None
    keep_checkpoints: int = 3
    monitor: str = "val_loss"
    monitor_mode: Literal["min", "max"] = "min"

    file: typing.ClassVar[Path | None] = None  # that the class stands in; None in a notebook

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        # Without its type a new default would be an attribute that the dataclass ignores.
        own, inherited = inspect.get_annotations(cls), {f.name: f.type for f in dataclasses.fields(cls)}
        cls.__annotations__ = {**{n: inherited[n] for n in vars(cls) if n in inherited and n not in own}, **own}
        dataclasses.dataclass(cls)
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        cls.file = Path(file).resolve() if file else None

    def __post_init__(self):
        for name, kind in self.kinds().items():
            value = getattr(self, name)
            try:
                setattr(self, name, convert(value, kind))
            except ValueError:
                raise ValueError(
                    f"The setting {name} of {type(self).__name__} is {describe(kind)}. "
                    f"Received: {value!r} ({type(value).__name__})."
                ) from None

    @classmethod
    def kinds(cls):
        """The types of the settings: dict from name to type."""
        hints = typing.get_type_hints(cls)
        return {field.name: hints[field.name] for field in dataclasses.fields(cls)}

    def settings(self):
        """The settings as JSON has them: dict from name to value."""
        return json.loads(json.dumps(dataclasses.asdict(self), default=repr))

    @abc.abstractmethod
    def model(self):
        """The network, not compiled."""

    @abc.abstractmethod
    def training_data(self, model):
        """Batches for `fit`, best from `self.speech_dataset(...)`."""

    def validation_data(self, model):
        """Batches that are looked at after every epoch, or None."""
        return None

    def optimizer(self, steps_per_epoch):
        """The optimizer, with its schedule; the runner adds the loss scale."""
        return keras.optimizers.AdamW(self.learning_rate)

    def loss(self):
        """What `compile` takes as `loss`."""
        return CTC()

    def loss_weights(self):
        """What `compile` takes as `loss_weights`: none, where there is one loss."""
        return None

    def metrics(self, model):
        """What `compile` takes as `metrics`: the word error rate where the model has a tokenizer."""
        tokenizer = getattr(model, "tokenizer", None)
        return [] if tokenizer is None else [WordErrorRate(tokenizer)]

    def callbacks(self, model):
        """Callbacks besides the runner's, on every process."""
        return []

    def speech_dataset(self, source, tokenizer, **options):
        """`s2s_keras.data.speech_dataset` with the recipe's batch size and seed, and this process's share."""
        mine = {
            "batch_size": self.batch_size,
            "seed": self.seed,
            "num_shards": distribution.process_count(),
            "shard_index": distribution.process_index(),
        }
        return speech_dataset(source, tokenizer, **{**mine, **options})


def load_recipe(path, overrides=None):
    """Reads a recipe from its file, or from the folder of a run with the settings it ran with.

    Args:
        path: str or path-like: a Python file that defines one `Recipe`; "FILE.py:CLASS" where it defines several; or a
            folder that `train` wrote.
        overrides: dict from names of settings to values, or to text as on a command line. Default none.

    Returns:
        The `Recipe`.

    Raises:
        ValueError: there is no such file, recipe or setting, or a value does not have the setting's type.

    Example:

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "mine.py")
    >>> with open(path, "w") as file:
    ...     _ = file.write('''
    ... from s2s_keras.training import Recipe
    ...
    ... class Mine(Recipe):
    ...     hidden_dim: int = 64
    ...     def model(self): ...
    ...     def training_data(self, model): ...
    ... ''')
    >>> load_recipe(path, {"hidden_dim": "128", "epochs": 2})
    Mine(epochs=2, batch_size=16, learning_rate=0.001, seed=1, dtype_policy='float32', loss_scale='backoff',
        checkpoint_every_steps=None, keep_checkpoints=3, monitor='val_loss', monitor_mode='min', hidden_dim=128)
    >>> load_recipe(path, {"hiden_dim": 128})
    Traceback (most recent call last):
    ValueError: Mine has no setting 'hiden_dim'. Close: hidden_dim.
    """
    path, _, name = str(path).partition(".py:") if ".py:" in str(path) else (str(path), "", "")
    path, stored = Path(f"{path}.py" if name else path), {}
    if path.is_dir():
        if not (path / "settings.json").is_file():
            raise ValueError(f"{path}: the folder holds no run. Expected a recipe's file or a folder `train` wrote.")
        run = json.loads((path / "settings.json").read_text(encoding="utf-8"))
        path, name, stored = path / "recipe.py", run["recipe"], run["settings"]
    recipe = _recipe_class(path, name)
    kinds = recipe.kinds()
    check_names(overrides or {}, kinds, recipe.__name__)
    return recipe(**{**{name: value for name, value in stored.items() if name in kinds}, **(overrides or {})})


def _recipe_class(path, name):
    if not path.is_file():
        raise ValueError(f"{path}: no such file. Expected a recipe, a Python file with a class that subclasses Recipe.")
    module_name = f"recipes.{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None:
        raise ValueError(f"{path}: a recipe is a Python file, its name ends in .py.")
    sys.modules[module_name] = module = importlib.util.module_from_spec(spec)  # dataclasses look their module up
    spec.loader.exec_module(module)
    found = {
        key: value
        for key, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Recipe) and value.__module__ == module_name
    }
    complete = {key: value for key, value in found.items() if not inspect.isabstract(value)}
    if name in complete:
        return complete[name]
    if len(complete) == 1 and not name:
        return next(iter(complete.values()))
    if name or complete:
        expected = f"one of {', '.join(complete)}" if complete else "a recipe"
        raise ValueError(f"{path} defines {expected}. Received: {name or 'no name'}. Write {path}:NAME.")
    missing = [f"{k} (lacks {', '.join(sorted(v.__abstractmethods__))})" for k, v in found.items()]
    raise ValueError(
        f"{path} defines no recipe{': ' + '; '.join(missing) if missing else ''}. Expected a class that subclasses "
        "s2s_keras.training.Recipe and has the methods model and training_data."
    )
