"""Make ``in_domain.npz``: start weights for the tutorial, learned from images alone.

Run with ``python -m npc_demo.pretrain_in_domain`` (about ten minutes on two cores, 1 GiB of
memory; ``--patients 12 --epochs 1 --out FOLDER`` for a trial). It draws synthetic patients who
belong to no study and trains the tutorial's network on what any archive knows of its images
without following anybody up: the sequence, the time point, the level in the neck, and, before
treatment, how much of tumour and of nodes an outline shows on the slice.

Nothing enters that measures prognosis: no survival, no risk group, no hidden variable of the
generator, and neither the texture of a tumour nor the share of it that treatment has left, with
which the generator draws its hidden variables. The extent after treatment would be that share,
and is therefore not asked for. What a tumour's look says about its course is left to learn.
"""

import argparse
import dataclasses
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers
from tqdm.auto import tqdm

from npc_demo.examination import VERSION
from npc_demo.mri import LEVEL_NAMES, random_patient, render
from npc_helpers.imaging import roi
from npc_helpers.network.batches import vary
from npc_helpers.network.models import DROPOUT, LAST_CONVOLUTION, POOL, inception_resnet_v2
from npc_helpers.network.training import adam
from npc_helpers.network.weight_sources import IN_DOMAIN_FILE, save_in_domain
from npc_helpers.study.jobs import spread
from npc_helpers.study.schema import SEQUENCES, TIMEPOINTS
from npc_helpers.study.settings import TUTORIAL

SEED = 2022
PATIENTS = 160
HELD_OUT = 20  # the last of them: for the log, never trained on
EPOCHS = 6
LEARNING = dataclasses.replace(TUTORIAL, learning_rate=2e-3)
PARTS = ("tumour", "nodes")
SHRINK = TUTORIAL.shrink
ANSWERS = ("sequence", "timepoint", "level", "extent")


def draw(number: int) -> dict[str, np.ndarray]:
    """Render one patient at both time points.

    Returns
    -------
    dict
        ``images`` uint8 (28, S, S, 1), as the network sees them; ``sequence``, ``timepoint`` and
        ``level`` int (28,); ``extent`` float32 (28, 2): square root of the area of tumour and of
        nodes, in tens of network pixels.
    """
    patient = random_patient(np.random.default_rng([SEED, number]), number)
    data = {name: [] for name in ("images", *ANSWERS)}
    for when, timepoint in enumerate(TIMEPOINTS):
        drawn = render(patient, timepoint)
        extent = np.sqrt(np.stack([_area(drawn[part]) for part in PARTS], axis=1)) / 10
        for which, sequence in enumerate(SEQUENCES):
            data["images"].append(_as_seen(drawn[sequence], drawn["box"]))
            data["sequence"].append(np.full(len(extent), which))
            data["timepoint"].append(np.full(len(extent), when))
            data["level"].append(np.arange(len(extent)))
            data["extent"].append(extent.astype(np.float32))
    return {name: np.concatenate(parts) for name, parts in data.items()}


def _as_seen(stack: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Stretch, shrink, crop and pad the slices of a series, much as `roi.network_inputs` does."""
    stretched = roi.stretch(stack, *roi.intensity_range(stack))
    seen = [
        roi.zero_pad(roi.shrink(image, SHRINK)[y0:y1, x0:x1], TUTORIAL.input_size)
        for image, (x0, y0, x1, y1) in zip(stretched, boxes // SHRINK, strict=True)
    ]
    return np.stack(seen)[..., np.newaxis]


def _area(mask: np.ndarray) -> np.ndarray:
    """Return on how many network pixels of each slice (n, rows, columns) a mask prevails."""
    n, rows, columns = mask.shape
    blocks = mask.reshape(n, rows // SHRINK, SHRINK, columns // SHRINK, SHRINK)
    return (blocks.mean(axis=(2, 4)) >= 0.5).sum(axis=(1, 2))


class Pretext(keras.utils.PyDataset):
    """Images in batches with what is asked about them; the order follows from the epoch."""

    def __init__(self, data: dict[str, np.ndarray], rows: np.ndarray, *, varied: bool) -> None:
        super().__init__()
        self.data, self.rows, self.varied, self.epoch = data, rows, varied, 0
        self.order = rows

    def __len__(self) -> int:
        whole, rest = divmod(len(self.rows), TUTORIAL.batch_size)
        return whole + (rest > 0 and not (self.varied and whole))  # training leaves the rest out

    def __getitem__(self, number: int):
        chosen = self.order[number * TUTORIAL.batch_size :][: TUTORIAL.batch_size]
        images = self.data["images"][chosen]
        if self.varied:
            images = vary(images, np.random.default_rng([SEED, self.epoch, number]))
        answers = {name: self.data[name][chosen] for name in ANSWERS}
        asked = {name: np.ones(len(chosen), np.float32) for name in ANSWERS}
        asked["extent"] = (answers["timepoint"] == 0).astype(np.float32)
        return images, answers, asked

    def on_epoch_begin(self) -> None:
        """Shuffle for the next epoch (Keras calls this)."""
        self.epoch += 1
        if self.varied:
            self.order = np.random.default_rng([SEED, self.epoch]).permutation(self.rows)


def network() -> keras.Model:
    """Return the tutorial's backbone with one linear layer for each question behind it."""
    backbone = inception_resnet_v2(
        TUTORIAL.input_size,
        width=TUTORIAL.width,
        blocks=TUTORIAL.blocks,
        middle=TUTORIAL.middle,
        seed=SEED,
    )
    x = layers.GlobalAveragePooling2D(name=POOL)(backbone.output)
    x = layers.Dropout(0.2, seed=SEED, name=DROPOUT)(x)
    answers = {
        "sequence": layers.Dense(1, activation="sigmoid", name="sequence")(x),
        "timepoint": layers.Dense(1, activation="sigmoid", name="timepoint")(x),
        "level": layers.Dense(len(LEVEL_NAMES), activation="softmax", name="level")(x),
        "extent": layers.Dense(len(PARTS), name="extent")(x),
    }
    return keras.Model(backbone.input, answers, name="pretext")


def pretrain(data: dict[str, np.ndarray], path: Path, *, patients: int, epochs: int) -> None:
    """Train on all patients but the last; write weights, their note and the log."""
    keras.utils.set_random_seed(SEED)
    last = max(1, min(HELD_OUT, patients // 5))
    cut = len(data["images"]) * (patients - last) // patients
    seen = Pretext(data, np.arange(cut), varied=True)
    held_out = Pretext(data, np.arange(cut, len(data["images"])), varied=False)
    model = network()
    model.compile(
        optimizer=adam(LEARNING, steps=epochs * len(seen)),
        loss={
            "sequence": "binary_crossentropy",
            "timepoint": "binary_crossentropy",
            "level": "sparse_categorical_crossentropy",
            "extent": "mean_squared_error",
        },
        weighted_metrics={
            "sequence": ["accuracy"],
            "timepoint": ["accuracy"],
            "level": ["accuracy"],
            "extent": ["mean_absolute_error"],
        },
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    log = keras.callbacks.CSVLogger(path.with_name(f"{path.stem}_log.csv"))
    model.fit(
        seen, validation_data=held_out, epochs=epochs, shuffle=False, verbose=2, callbacks=[log]
    )
    save_in_domain(
        keras.Model(model.input, model.get_layer(LAST_CONVOLUTION).output),
        path,
        width=TUTORIAL.width,
        blocks=TUTORIAL.blocks,
        seed=SEED,
        patients=patients,
        generator=VERSION,
        epochs=epochs,
        keras=keras.__version__,
        backend=keras.backend.backend(),
        targets=[*ANSWERS[:3], "extent of tumour and nodes before treatment"],
        made_by=Path(__file__).name,
    )


def main() -> None:
    """Render, train, save the weights, their note and the log."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=PATIENTS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path, default=IN_DOMAIN_FILE.parent, help="folder")
    options = parser.parse_args()
    done = spread(draw, range(options.patients), task="draws patients")
    parts = dict(tqdm(done, total=options.patients, desc="rendering"))
    parts = [parts[number] for number in range(options.patients)]
    data = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    path = options.out / IN_DOMAIN_FILE.name
    pretrain(data, path, patients=options.patients, epochs=options.epochs)


if __name__ == "__main__":
    main()
