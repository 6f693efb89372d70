"""A Keras callback that makes a training run survive interruptions.

A run is known by what decides its *path*: data, labels, seed, batch size, start weights, the
layers, the optimizer with its rates, and the loss. What decides its *end*, the number of epochs
and the patience, is not part of that: a run can be extended. Each run keeps one file, named by
its path, which is rewritten whole after every epoch and holds all that the next epoch needs: the
weights that learn and Adam's two means of each, three times 4 bytes a weight.
"""

import hashlib
import json
import random
import shutil
import zipfile
from pathlib import Path

import keras
import numpy as np

from npc_helpers.network.batches import Batches
from npc_helpers.network.features import model_identity
from npc_helpers.study.artefacts import atomic_path
from npc_helpers.study.progress import progress_bar


class Resume(keras.callbacks.Callback):
    """Save the state of a run after each epoch, and take it up where it was left.

    Killed at any moment, a run goes on from its last finished epoch and ends with the weights,
    the history and the stopping epoch of an uninterrupted one. A run that had ended is read
    back; one asked to go on longer goes on from its end; one asked to end earlier is trained
    again up to there, and the longer one is kept. Runs with another path lie in files of their
    own and are never replaced.

    With a stopping rule the best epoch by its measure is kept beside the last one: as the same
    file under a second name, so that an epoch is written once. `restore_best` reads it.

    Parameters
    ----------
    run_dir : path-like
        Folder of the run's file.
    batches : Batches
        What `fit` trains on.
    stopping : keras.callbacks.EarlyStopping, optional
        The stopping rule that `fit` is given as well: its count of epochs without improvement
        follows from the history, and is set to what it was.
    progress : bool
        Show a bar of epochs where somebody watches.

    Raises
    ------
    FloatingPointError
        From `fit`, if the loss or a weight is not a finite number any more. The file keeps the
        last epoch that was sound, and the run is never read back as finished.
    ValueError
        From `fit`, if `stopping` watches a measure that training does not report; and for
        ``restore_best_weights``, as the weights of the best epoch are not kept.

    Notes
    -----
    Build the model in the cell that calls `fit`: its weights at that moment are the start
    weights of the run.
    """

    def __init__(self, run_dir, batches: Batches, stopping=None, *, progress: bool = True) -> None:
        super().__init__()
        if stopping is not None and stopping.restore_best_weights:
            raise ValueError(
                "A run that is taken up has seen its earlier epochs as numbers only: leave "
                "restore_best_weights False, and call Resume.restore_best after fit."
            )
        if stopping is not None and stopping.mode == "auto" and stopping.monitor != "loss":
            raise ValueError(
                f"say whether {stopping.monitor} shall rise or fall: EarlyStopping(mode='max') or "
                "mode='min'. Keras can guess it only after the first epoch."
            )
        self.run_dir, self.batches, self.stopping = Path(run_dir), batches, stopping
        self.progress = progress
        self.history: list[dict[str, float]] = []

    # --- called by Keras ------------------------------------------------------------------------

    def on_train_begin(self, logs=None) -> None:
        """Take up the saved run of this path, if there is one."""
        self.path = self.run_dir / f"{run_identity(self.model, self.batches)[:16]}.npz"
        self.model.optimizer.build(self.model.trainable_variables)
        self.keep, self.history = True, []
        saved = self._read(self.path)
        if saved is None:
            self._say_if_other_runs_are_here()
            self._save()
        else:
            self._take_up(*saved)
            self._keep_best()
        epochs = self.params["epochs"]
        done = epochs if self.model.stop_training else len(self.history)
        self.model._initial_epoch = done  # where Keras' own BackupAndRestore leaves it, too
        bar = {"desc": "epochs", "unit": "epoch", "leave": False, "miniters": 0}
        self.bar = progress_bar(shown=self.progress, total=epochs, initial=len(self.history), **bar)
        self.begun = False

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Set what is random to what it is in this epoch of every run of this path."""
        self._begin()
        self.batches.epoch = epoch
        rng = self.batches.random(epoch + 1)
        rng.permutation(len(self.batches.rows))  # the order of the images is drawn first
        for layer in self.model.layers:  # the state of a generator: its seed, number of the draw
            if hasattr(layer, "seed_generator"):
                layer.seed_generator.state.assign([int(rng.integers(2**31)), 0])
        random.seed(int(rng.integers(2**31)))  # `fit` shuffles the batches with it unless told not

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        self._require_finite(logs["loss"])
        self.bar.set_postfix_str(f"batch {batch + 1}/{self.params['steps']}", refresh=False)
        self.bar.update(0)

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        self._require_finite(logs["loss"], self.model.trainable_variables)
        if self.stopping is not None and self.stopping.monitor not in logs:
            measured = " and ".join(sorted(logs))
            raise ValueError(
                f"the stopping rule watches {self.stopping.monitor!r}; training measures {measured}"
            )
        self.history.append({name: float(value) for name, value in logs.items()})
        if self.keep:
            self._save()
            self._keep_best()
        self.bar.set_postfix({k: f"{v:.3f}" for k, v in self.history[-1].items()}, refresh=False)
        self.bar.update()

    def on_train_end(self, logs=None) -> None:
        self._begin()
        self.bar.close()

    def restore_best(self) -> int:
        """Give the model the state after its best epoch, the first of equals; return its number.

        Raises
        ------
        FileNotFoundError
            If no epoch was finished, or `fit` was given no stopping rule.
        """
        saved = self._read(self.best_path)
        if saved is None:
            raise FileNotFoundError(f"there is no best epoch in {self.run_dir}; train with a rule")
        for variable, value in zip(self._variables(), saved[0], strict=True):
            variable.assign(value)
        return len(saved[1])

    # --- taking up ------------------------------------------------------------------------------

    def _take_up(self, values: list[np.ndarray], history: list[dict]) -> None:
        ends_after = self._replay(history[: self.params["epochs"]])
        if ends_after < len(history):
            print(
                f"The saved run {self.path.name} has {len(history)} epochs and is kept. This one "
                f"ends after {ends_after} and is trained again from the start."
            )
            self.keep = False
            self._replay([])
            return
        for variable, value in zip(self._variables(), values, strict=True):
            variable.assign(value)
        self.history = history

    def _replay(self, history: list[dict]) -> int:
        """Show the stopping rule the epochs so far; return after how many of them it stops."""
        if self.stopping is None:
            return len(history)
        self.model.stop_training = False
        self.stopping.set_model(self.model)
        self.stopping.on_train_begin()
        for epoch, logs in enumerate(history):
            self.stopping.on_epoch_end(epoch, logs)
            if self.model.stop_training:
                return epoch + 1
        return len(history)

    def _begin(self) -> None:
        """Hand the epochs before this start to Keras: the other callbacks have begun by now."""
        if self.begun:
            return
        self.begun = True
        self.model._initial_epoch = None
        self._replay(self.history)
        record = self.model.history
        record.epoch = list(range(len(self.history)))
        record.history = {
            name: [logs[name] for logs in self.history] for name in (self.history or [{}])[0]
        }

    # --- the file -------------------------------------------------------------------------------

    def _variables(self) -> list[keras.Variable]:
        """All that training changes: frozen layers stay what they are."""
        trained = [v for layer in self.model.layers if layer.trainable for v in layer.variables]
        return [*trained, *self.model.optimizer.variables]

    def _save(self) -> None:
        values = [keras.ops.convert_to_numpy(variable) for variable in self._variables()]
        with atomic_path(self.path) as temporary:
            np.savez(temporary, *values, history=np.array(json.dumps(self.history)))

    @property
    def best_path(self) -> Path:
        """Where the best epoch of the run lies."""
        return self.path.with_suffix(".best")

    def _keep_best(self) -> None:
        """Give the file of the last epoch a second name, if there was no better one before."""
        if self.stopping is None or not self.history:
            return
        values = [epoch[self.stopping.monitor] for epoch in self.history]
        best = (max if self.stopping.mode == "max" else min)(values)
        if values.index(best) + 1 < len(values):
            return
        if self.best_path.exists() and self.best_path.samefile(self.path):
            return
        with atomic_path(self.best_path) as temporary:
            try:
                temporary.hardlink_to(self.path)
            except OSError:  # a file system without second names
                shutil.copyfile(self.path, temporary)

    def _read(self, path: Path) -> tuple[list[np.ndarray], list[dict]] | None:
        """Return values and history of the saved run; None without one that can be read."""
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as saved:
                history = json.loads(str(saved["history"]))
                return [saved[f"arr_{i}"] for i in range(len(saved.files) - 1)], history
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            print(f"{path} cannot be read ({error}): training starts afresh.")
            return None

    def _say_if_other_runs_are_here(self) -> None:
        others = [path for path in self.run_dir.glob("*.npz") if path != self.path]
        if others:
            print(
                f"{self.run_dir.name}/ holds {len(others)} run(s) made from other data, labels, "
                "settings, seed or start weights. They are kept; training starts afresh."
            )

    def _require_finite(self, loss: float, weights=()) -> None:
        """Stop the run if something is not a finite number any more, and say when and why."""
        broken = [v.path for v in weights if not np.isfinite(keras.ops.convert_to_numpy(v)).all()]
        if np.isfinite(loss) and not broken:
            return
        self.bar.close()
        fault = f"the weights of {broken[0]} are" if broken else f"the loss ({loss}) is"
        rate = float(self.model.optimizer.learning_rate)
        raise FloatingPointError(
            f"epoch {len(self.history) + 1}: {fault} not a finite number, and training "
            f"cannot recover from that. The likely cause is a learning rate that is too high "
            f"({rate:g}): lower it, for instance tenfold, and train again. The data were checked "
            "and hold finite numbers only."
        )


def run_identity(model: keras.Model, batches: Batches) -> str:
    """Return the hash of all that decides the path of a run.

    The start weights themselves enter, and not the names that model and optimizer happen to have.
    """
    facts = {
        "model": model_identity(model),
        "optimizer": {**model.optimizer.get_config(), "name": ""},
        "loss": keras.saving.serialize_keras_object(model.loss),
        **batches.identity(),
        "backend": keras.backend.backend(),
    }
    total = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    total.update(batches.labels.tobytes())
    for piece in batches.pieces():
        total.update(repr((piece.dtype.str, piece.shape[1:])).encode())
        total.update(piece)
    return total.hexdigest()
