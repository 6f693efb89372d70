"""What do Resume and repeatable batches cost? Time per epoch beside bare `fit`, and of features.

Run with ``python benchmarks/train_speed.py``; prints a Markdown table for the README. Images and
labels are random: speed does not depend on what they show. The images to fine-tune on are read
through a memory map, as those of a study would be.
"""

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from npc_helpers.network import features, models, training
from npc_helpers.study.settings import TUTORIAL

PATIENTS, IMAGES_EACH = 163, 12
FINE_TUNED = 96  # images in the comparison for the whole network
REPEATS = 3


def seconds_per_epoch_of_train(model, data, labels, *, setting) -> float:
    """Time per epoch of `training.train`, the first epoch (compilation) left out."""
    seconds = {}
    for epochs in (1, 1 + setting.max_epochs):
        run = dataclasses.replace(setting, max_epochs=epochs, patience=epochs)
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            training.train(
                model, data, labels, setting=run, seed=1, run_dir=Path(folder),
                progress=False,
            )  # fmt: skip
            seconds[epochs] = time.perf_counter() - start
    return (seconds[1 + setting.max_epochs] - seconds[1]) / setting.max_epochs


def seconds_per_epoch_of_fit(network, data, labels, *, setting) -> float:
    """Time per epoch of `keras.Model.fit` with the same batches, the first epoch left out."""
    network.compile(
        keras.optimizers.Adam(setting.learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    network.fit(data, labels, batch_size=setting.batch_size, verbose=0)
    start = time.perf_counter()
    network.fit(data, labels, batch_size=setting.batch_size, epochs=setting.max_epochs, verbose=0)
    return (time.perf_counter() - start) / setting.max_epochs


def compare_heads(setting) -> list[float]:
    """Return the ratios of `train` and `fit` for the last layer on frozen features."""
    rng = np.random.default_rng(0)
    labels = rng.random(PATIENTS * IMAGES_EACH) < 0.5
    model = models.prognosis_model(setting, seed=1)
    x = rng.random((len(labels), model.get_layer("pool").output.shape[-1]), np.float32)
    return [
        (
            seconds_per_epoch_of_train(model, x, labels, setting=setting),
            seconds_per_epoch_of_fit(
                models.trainable_part(model), x, labels.astype(int), setting=setting
            ),
        )
        for _ in range(REPEATS)
    ]


def compare_whole_networks(setting, folder: Path):
    """The same for fine-tuning, on images in a memory map and in memory."""
    rng = np.random.default_rng(0)
    shape = (FINE_TUNED, setting.input_size, setting.input_size, 1)
    np.save(folder / "images.npy", rng.integers(0, 256, shape, dtype=np.uint8))
    labels = rng.random(FINE_TUNED) < 0.5
    mapped = np.load(folder / "images.npy", mmap_mode="r")
    return [
        (
            seconds_per_epoch_of_train(
                models.prognosis_model(setting, seed=1), mapped, labels, setting=setting
            ),
            seconds_per_epoch_of_fit(
                models.prognosis_model(setting, seed=1), np.array(mapped), labels.astype(int),
                setting=setting,
            ),
        )
        for _ in range(REPEATS)
    ]  # fmt: skip


def graph_against_eager(setting) -> float:
    """Processor time of the last activations, operation by operation over in one graph."""
    model = models.prognosis_model(setting, seed=1)
    images = np.random.default_rng(0).integers(0, 256, (64, *model.input.shape[1:]), np.uint8)
    inner, seconds = models.up_to(model, models.LAST_CONVOLUTION), {}
    eager = keras.ops.convert_to_numpy(inner(images[:32], training=False))
    np.testing.assert_allclose(eager, features.answers(inner, images[:32]), rtol=1e-4, atol=1e-5)
    for name in ("eager", "graph"):
        start = time.process_time()
        for _ in range(REPEATS):
            if name == "eager":
                for first in range(0, len(images), 32):
                    inner(images[first : first + 32], training=False)
            else:
                features.answers(inner, images)
        seconds[name] = time.process_time() - start
    return seconds["eager"] / seconds["graph"]


def with_and_without_xla(setting) -> dict[bool, tuple[float, float]]:
    """Processor time of the first training step, which compiles, and of a later one."""
    images = np.random.default_rng(0).integers(
        0, 256, (setting.batch_size, setting.input_size, setting.input_size, 1), np.uint8
    )
    labels, seconds = np.arange(len(images)) % 2, {}
    for xla in (False, True):
        model, times = models.prognosis_model(setting, seed=1), []
        model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy", jit_compile=xla)
        for _ in range(1 + REPEATS):
            start = time.process_time()
            model.train_on_batch(images, labels)
            times.append(time.process_time() - start)
        seconds[xla] = times[0], min(times[1:])
    return seconds


def features_per_second(setting) -> float:
    """Images per second of `features.extract_features`."""
    model = models.prognosis_model(setting, seed=1)
    images = np.zeros((256, setting.input_size, setting.input_size, 1), np.uint8)
    start = time.perf_counter()
    features.extract_features(model, images)
    return len(images) / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--xla", action="store_true", help="only what XLA costs and gains")
    if parser.parse_args().xla:
        for xla, (first, later) in with_and_without_xla(TUTORIAL).items():
            print(
                f"XLA {xla}: first step {first:.1f} s, a later one {later:.2f} s (processor time)"
            )
        return
    plain = {"schedule": "constant", "images_per_patient": None, "vary_images": False}
    head = dataclasses.replace(TUTORIAL, trainable="head", max_epochs=20, **plain)
    whole = dataclasses.replace(TUTORIAL, max_epochs=3, **plain)
    print("| per epoch | `train`, s | `fit` in memory, s | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        rows = {
            f"last layer, {PATIENTS * IMAGES_EACH} images": compare_heads(head),
            f"whole network, {FINE_TUNED} images": compare_whole_networks(whole, Path(folder)),
        }
    for name, pairs in rows.items():
        ours, keras_own = np.median(pairs, axis=0)
        print(f"| {name} | {ours:.3f} | {keras_own:.3f} | {ours / keras_own:.2f} |")
    print(f"\nFeatures: {features_per_second(TUTORIAL):.0f} images per second.")
    print(f"Activations, eager over graph: {graph_against_eager(TUTORIAL):.2f} processor time.")


if __name__ == "__main__":
    main()
