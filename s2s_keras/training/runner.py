"""From a recipe to a trained network: one call."""

import contextlib
import importlib.util
import sys
from pathlib import Path

import keras

from s2s_keras.optimizers import BackoffLossScale, LogMaxLossScale, LossScale, StaticLossScale
from s2s_keras.training import distribution
from s2s_keras.training.checkpoint import Checkpoint
from s2s_keras.training.non_finite import NonFiniteGuard
from s2s_keras.training.recipe import Recipe, load_recipe
from s2s_keras.training.run_folder import LOG, ONLY_FILE, EpochLog, RunFolder

TERMINATED = 143  # exit code of a process that SIGTERM ended


def train(recipe, output=None, resume=False):
    """Trains a recipe with one `model.fit` and leaves a folder.

    The folder holds the recipe as it ran and its settings, versions and the state of git, a log, `metrics.csv`, event
    files for TensorBoard, the last checkpoints and the best, and in the end the preset made of the best. It is all that
    is needed to go on after a crash: the same call with `resume=True`.

    In an environment that names several processes (see `s2s_keras.training.distribution`) every one calls this; the
    first writes.

    Args:
        recipe: `Recipe`, or str or path of its file or of a run's folder.
        output: str, path or None, the folder. Default None: the run's own folder, or `runs/NAME` for a file NAME.py.
        resume: bool, whether to go on with the run that is in the folder; one that holds none is begun. Default False.

    Returns:
        `keras.callbacks.History`; its `model` is the trained network.

    Raises:
        ValueError: the folder holds a run (without `resume`) or one with other settings, or a part of the recipe is
            wrong.
        SystemExit: with code 143, after SIGTERM; the checkpoint is written by then.

    Example:

    >>> import io, os, tempfile
    >>> import numpy as np
    >>> class Line(Recipe):
    ...     epochs, learning_rate = 2, 0.1
    ...     def model(self):
    ...         return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    ...     def training_data(self, model):
    ...         return Points()
    ...     def loss(self):
    ...         return "mse"
    >>> class Points(keras.utils.PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return np.ones((2, 1), "float32"), np.ones((2, 1), "float32")
    >>> output = os.path.join(tempfile.mkdtemp(), "line")
    >>> with contextlib.redirect_stdout(io.StringIO()):
    ...     history = train(Line(), output)
    >>> len(history.history["loss"]), "metrics.csv" in os.listdir(output)
    (2, True)
    """
    output = output or default_folder(recipe)
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    run = RunFolder(output)
    run.check(recipe, resume)  # before processes wait for each other, so that every one says what is wrong
    distribution.connect()
    with contextlib.ExitStack() as stack:
        if distribution.is_chief():
            stack.enter_context(run.logged())
            run.record(recipe)
        stack.enter_context(dtype_policy(recipe.dtype_policy))
        return _fit(recipe, run)


def _fit(recipe, run):
    keras.utils.set_random_seed(recipe.seed)
    with distribution.scope():
        model = recipe.model()
    training, validation = recipe.training_data(model), recipe.validation_data(model)
    compile_model(recipe, model, len(training))
    LOG.info(
        "%s: %s, %s parameters, %s steps an epoch, %s on %s, output in %s",
        type(recipe).__name__,
        model.name,
        f"{model.count_params():,}",
        len(training),
        recipe.dtype_policy,
        keras.backend.backend(),
        run.path,
    )
    checkpoint, callbacks = _callbacks(recipe, run, training, validation)
    chief = distribution.is_chief()
    bar = chief and sys.stdout.isatty()
    if chief:
        callbacks.insert(-1, EpochLog(run.metrics, training, bar, lambda: checkpoint.preempted))
    history = model.fit(
        for_fit(training),
        validation_data=for_fit(validation),
        epochs=recipe.epochs,
        callbacks=[*recipe.callbacks(model), *callbacks],
        verbose=1 if bar else 0,
        shuffle=not hasattr(training, "for_fit"),  # a SpeechDataset does it itself
    )
    if checkpoint.preempted:
        LOG.warning("SIGTERM after step %d: go on with --resume (resume=True).", checkpoint.step, extra=ONLY_FILE)
        raise SystemExit(TERMINATED)
    if not history.epoch:
        LOG.info("All %d epochs were trained before: --epochs or epochs=... asks for more.", recipe.epochs)
    if chief:
        save_preset(recipe, run)
    return history


def _callbacks(recipe, run, training, validation):
    """The checkpoint, and all callbacks of the runner; the checkpoint comes last and so holds what the others did."""
    checkpoint = Checkpoint(
        run.checkpoints,
        dataset=training if hasattr(training, "start_at") else None,
        every_steps=recipe.checkpoint_every_steps,
        keep=recipe.keep_checkpoints,
        monitor="loss" if validation is None and recipe.monitor.startswith("val_") else recipe.monitor,
        mode=recipe.monitor_mode,
    )
    guard = NonFiniteGuard(dataset=training if hasattr(training, "batch_utterances") else None)
    return checkpoint, [guard, *_tensorboard(run, training if validation is None else validation), checkpoint]


def _tensorboard(run, samples):
    if importlib.util.find_spec("tensorboardX") is None:
        LOG.info("No files for TensorBoard: tensorboardX is not installed (pip install tensorboardX).")
        return []
    from s2s_keras.training.tensorboard import TensorBoardLogger

    return [TensorBoardLogger(run.tensorboard, samples)]


def compile_model(recipe, model, steps_per_epoch):
    """Compiles a recipe's model with its optimizer, in the recipe's loss scale, loss and metrics."""
    with distribution.scope():
        optimizer = scale_loss(recipe, recipe.optimizer(steps_per_epoch))
        model.compile(optimizer, recipe.loss(), loss_weights=recipe.loss_weights(), metrics=recipe.metrics(model))


def scale_loss(recipe, optimizer):
    """The optimizer in the recipe's loss scale; where none is needed, in one that only skips what is not finite."""
    if isinstance(optimizer, LossScale):
        return optimizer
    if recipe.dtype_policy != "mixed_float16":
        return StaticLossScale(optimizer)
    if recipe.loss_scale in ("backoff", "logmax"):
        return {"backoff": BackoffLossScale, "logmax": LogMaxLossScale}[recipe.loss_scale](optimizer)
    return StaticLossScale(optimizer, recipe.loss_scale)


def for_fit(dataset):
    """What `fit` takes, of a `SpeechDataset` or anything else."""
    return dataset.for_fit() if hasattr(dataset, "for_fit") else dataset


@contextlib.contextmanager
def dtype_policy(name):
    """Context in which layers are built under a dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def default_folder(recipe):
    """Where a run of a recipe goes: `runs/NAME` for a file NAME.py, the folder itself for a run's folder."""
    if not isinstance(recipe, Recipe) and Path(recipe).is_dir():
        return Path(recipe)
    file = recipe.file if isinstance(recipe, Recipe) else Path(str(recipe).partition(".py:")[0])
    return Path("runs") / (file.stem if file else type(recipe).__name__)


def best_model(recipe, run):
    """The recipe's network with the weights of the run's best checkpoint, in float32, on this process alone.

    Raises:
        ValueError: the run has no checkpoint yet.
    """
    weights = run.best_weights
    if weights is None:
        raise ValueError(f"{run.path} holds no checkpoint of a run. Train first: s2s-keras train RECIPE --output DIR.")
    with dtype_policy("float32"), distribution.alone():
        model = recipe.model()
        model.load_weights(weights)
    return model


def save_preset(recipe, run):
    """Writes the best weights as a preset; as `model.keras` where the model is no `Application`."""
    model = best_model(recipe, run)
    if hasattr(model, "save_to_preset"):
        model.save_to_preset(run.preset)
        LOG.info("The best weights (%s) are in the preset %s", run.best_weights.resolve().parent.name, run.preset)
    else:
        model.save(run.path / "model.keras")
        LOG.info("The best weights (%s) are in %s", run.best_weights.resolve().parent.name, run.path / "model.keras")
