"""Trained models as files: ready to use, or their weights alone."""

import warnings
from pathlib import Path

import keras

from npc_helpers.network.models import prognosis_model
from npc_helpers.network.weight_sources import restore_weights, save_weights
from npc_helpers.study import Study
from npc_helpers.study.artefacts import NotInThisStudy, StudyError, atomic_path
from npc_helpers.study.schema import TIMEPOINTS
from npc_helpers.study.settings import Setting, current_setting


def keep_model(study: Study, timepoint: str, model: keras.Model) -> None:
    """Write the trained model of a time point into the results, ready to use and as weights.

    Parameters
    ----------
    timepoint : {"pre", "post"}
    model : keras.Model
        From pixel values to probabilities.
    """
    files = {f"{timepoint}_model.keras": save_model, f"{timepoint}_weights.npz": save_weights}
    for name, save in files.items():
        with study.write_file(name) as path:
            save(model, path)


def save_model(model: keras.Model, path: str | Path) -> None:
    """Write the whole model, from pixel values to probabilities, as a ``.keras`` file."""
    with atomic_path(path) as temporary:
        keras.Model(model.input, model.output, name=model.name).save(temporary)


def load_model(path: str | Path) -> keras.Model:
    """Read a model that `save_model` wrote.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no model {path}; train it and save it with save_model")
    return keras.models.load_model(path, compile=False)


def load_or_reference(study, timepoint: str, *, setting: Setting | None = None) -> keras.Model:
    """Return the trained model of a study, or the reference one that ships with the suite.

    A study without outcomes has no model of its own: it gets that of the demonstration study.

    Parameters
    ----------
    study : npc_helpers.study.Study
    timepoint : {"pre", "post"}
    setting : Setting, optional
        Architecture of the reference model, of which the weights are kept in 16 bits
        (``<timepoint>_weights.npz``); the current one by default.

    Raises
    ------
    StudyError
        If the model is stale, or missing and there is no reference.

    Warns
    -----
    UserWarning
        If the reference is used.
    """
    name = f"{timepoint}_model.keras"
    if study.artefact_state(name) != "missing":
        return load_model(study.find_result(name))
    model = prognosis_model(setting or current_setting(), seed=0, weights="none")
    return restore_weights(model, _weights_file(study, timepoint))


def models_to_explain(study) -> dict[str, keras.Model]:
    """Return the models of a study by time point, as `load_or_reference` finds them.

    A model that this study cannot have is left out, and the reason printed.

    Raises
    ------
    NotInThisStudy
        If there is none.
    """
    models, reasons = {}, []
    for timepoint in TIMEPOINTS:
        try:
            models[timepoint] = load_or_reference(study, timepoint)
        except NotInThisStudy as reason:
            reasons.append(f"{timepoint}_model.keras: {reason}")
    if not models:
        raise NotInThisStudy("; ".join(reasons))
    for reason in reasons:
        print(f"Left out: {reason}")
    return models


def _weights_file(study: Study, timepoint: str) -> Path:
    """Return the weights to use where no model was trained."""
    name = f"{timepoint}_weights.npz"
    if study.has_outcomes:
        return study.find_result(name)
    warnings.warn(
        f"{study.name} has no outcomes to train on: USING THE MODEL OF THE DEMONSTRATION STUDY, "
        "TRAINED ON SYNTHETIC PATIENTS. It shows how maps look, and says nothing about anybody.",
        stacklevel=3,
    )
    path = Study.demonstration().reference_path(name)
    if not path.exists():
        raise StudyError(
            "The suite ships no trained model for this setting. Set NPC_SETTING=tutorial to use "
            "the one of the demonstration study."
        )
    return path
