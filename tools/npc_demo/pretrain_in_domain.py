"""Make ``in_domain.npz``: pretrain the tutorial's network to describe images, without outcomes.

Run with ``python -m npc_demo.pretrain_in_domain`` (about an hour on two cores, 2 GiB
of memory; ``--patients 12 --epochs 1 --out FOLDER`` for a trial). It draws synthetic patients who
belong to no study and trains the network, through one linear layer on its pooled features, to
answer what anybody could read off an image and its tumour outline: sequence, level, time point,
extent of tumour and nodes, their texture and necrosis, and how much of them treatment has left.

No survival, no risk group and no hidden variable of the generator enters: `render` returns images
and masks, and all targets are measured on these. Texture, necrosis and the share of tumour left
are nevertheless what the generator draws its hidden variables with, and these drive the hazard:
a network pretrained so is *informed*, and has a start that no hospital could give it.
``--targets generic`` leaves out all that measures prognosis: sequence, time point and level of an
image remain, and the extent of disease before treatment (after it, extent is what is left).

The generator's latents are used once, after training, to report how well held-out patients'
features tell them (``probe`` in the note).
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from scipy import ndimage
from tqdm.auto import tqdm

from npc_demo.examination import VERSION
from npc_demo.mri import LEVEL_NAMES, random_patient, render
from npc_helpers.imaging import roi
from npc_helpers.study.jobs import spread
from npc_helpers.study.settings import TUTORIAL

SEED = 2022
PATIENTS = 640
HELD_OUT = 100  # the last of them: for the log and the probe, never trained on
EPOCHS = 14  # of which the last FULL_EPOCHS see the whole padded canvas
FULL_EPOCHS = 8
BATCH = 32
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-3
TIGHT = (112, 208)  # rows, columns of the canvas without most of its padding: a third of the time
SIZE = TUTORIAL.input_size
LEVELS = len(LEVEL_NAMES)
VISIBLE = 30  # network pixels of tumour or nodes from which on a slice shows them

# What is predicted, with its weight in the loss. "slice" targets belong to one image, "series"
# targets to all images of one time point; each counts only in images that show what it is about.
TARGETS = {
    "tumour_extent": 1.0,  # slice: square root of the area
    "node_extent": 1.0,
    "tumour_side": 0.2,  # slice: centre of the tumour, left or right of that of the box
    "tumour_volume": 0.5,  # series: square root of the area in all slices
    "node_volume": 0.5,
    "tumour_texture": 2.0,  # series: spread of brightness inside the tumour over its median
    "tumour_necrosis": 0.5,  # series: share of the tumour that is dark after contrast
    "node_texture": 0.5,
    "node_necrosis": 0.5,
    "tumour_left": 2.0,  # series, after treatment: square root of the share of the area left
    "node_left": 1.0,
}
NAMES = list(TARGETS)
GENERIC = ("tumour_extent", "node_extent")  # the targets of a generic pretext, before treatment
CLASS_WEIGHT = 0.2  # of sequence, time point and level together with their cross-entropies
SPARSITY = 1e-2  # penalty on squared pooled features: what no task needs shall not vary


# --- images and targets -------------------------------------------------------------------------


def draw(number: int) -> dict[str, np.ndarray]:
    """Render one patient at both time points and measure the targets.

    Returns
    -------
    dict
        ``images`` uint8 (28, 256, 256), half-size, stretched, not cropped; ``boxes`` int
        (28, 4), in their pixels; ``targets`` and ``counts`` float32 (28, 11); ``classes`` int
        (28, 3): sequence, time point, level; ``latents`` (2,), for the probe only.
    """
    patient = random_patient(np.random.default_rng([SEED, number]), number)
    images, boxes, masks, classes = [], [], {}, []
    for when, timepoint in enumerate(("pre", "post")):
        drawn = render(patient, timepoint)
        masks[timepoint] = np.stack([_halve_mask(drawn[name]) for name in ("tumour", "nodes")])
        for which, sequence in enumerate(("t2w", "t1c")):
            bottom, top = roi.intensity_range(drawn[sequence])
            images.append(_halve(roi.stretch(drawn[sequence], bottom, top)))
            boxes.append(drawn["box"] // 2)
            classes.append([(which, when, level) for level in range(LEVELS)])
    series = [measure(images[2 * when : 2 * when + 2], masks, when) for when in (0, 1)]
    values, shown = (np.stack([part[i] for part in series]) for i in (0, 1))
    both = np.repeat(values, 2, axis=0), np.repeat(shown, 2, axis=0)  # the two sequences
    sides = (both[0][..., NAMES.index("tumour_side")] - _centres(np.array(boxes))) / 20
    both[0][..., NAMES.index("tumour_side")] = sides
    return {
        "images": np.concatenate(images),
        "boxes": np.concatenate(boxes).astype(np.int16),
        "targets": both[0].reshape(-1, len(NAMES)).astype(np.float32),
        "counts": both[1].reshape(-1, len(NAMES)).astype(np.float32),
        "classes": np.concatenate(classes).astype(np.int32),
        "latents": np.array([patient.aggressiveness, patient.residual], np.float32),
    }


def measure(images, masks, when: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the targets of the slices of one time point, and where they count."""
    now, before = (masks[timepoint] for timepoint in (("pre", "post")[when], "pre"))
    area, area_before = (mask.sum(axis=(2, 3)).astype(float) for mask in (now, before))
    column = np.arange(SIZE)
    value = {"tumour_side": (now[0].sum(axis=1) @ column) / np.maximum(area[0], 1)}
    shown = {"tumour_side": area[0] >= VISIBLE}
    for i, part in enumerate(("tumour", "node")):
        visible = area[i] >= VISIBLE
        texture, necrosis = _appearance(images, now[i])
        left = np.sqrt(area[i].sum() / max(area_before[i].sum(), 1))
        value |= {
            f"{part}_extent": np.sqrt(area[i]),
            f"{part}_volume": np.sqrt(area[i].sum()),
            f"{part}_texture": texture,
            f"{part}_necrosis": necrosis,
            f"{part}_left": left,
        }
        shown |= {
            f"{part}_extent": True,
            f"{part}_volume": visible,
            f"{part}_texture": visible,
            f"{part}_necrosis": visible,
            f"{part}_left": (area_before[i] >= VISIBLE) & (when == 1),
        }
    return tuple(
        np.stack([np.broadcast_to(table[name], LEVELS) for name in NAMES], axis=-1).astype(float)
        for table in (value, shown)
    )


def _appearance(images, mask) -> tuple[float, float]:
    """Return texture and necrotic share inside a mask, rim left out."""
    inside = ndimage.binary_erosion(mask, np.ones((1, 3, 3)))
    if inside.sum() < VISIBLE:
        return 0.0, 0.0
    pixels = [image[inside].astype(float) for image in images]
    median = [max(np.median(values), 1.0) for values in pixels]
    spread = [values.std() / m for values, m in zip(pixels, median, strict=True)]
    return float(np.log(np.mean(spread))), float(np.sqrt((pixels[1] < 0.65 * median[1]).mean()))


def _halve(stack: np.ndarray) -> np.ndarray:
    return np.stack([roi._shrink(image, 2) for image in stack])


def _halve_mask(mask: np.ndarray) -> np.ndarray:
    n, rows, columns = mask.shape
    return mask.reshape(n, rows // 2, 2, columns // 2, 2).sum(axis=(2, 4)) >= 2


def _centres(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 0] + boxes[..., 2]) / 2


def draw_all(patients: int) -> dict[str, np.ndarray]:
    """Render all patients; targets standardised over the images that show them."""
    done = spread(draw, range(patients), what="draws patients")
    parts = dict(tqdm(done, total=patients, desc="rendering"))
    parts = [parts[patient] for patient in range(patients)]
    data = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    data["latents"] = data["latents"].reshape(patients, 2)
    for k in range(len(NAMES)):
        values = data["targets"][data["counts"][:, k] > 0, k]
        data["targets"][:, k] = (data["targets"][:, k] - values.mean()) / (values.std() + 1e-6)
    side = NAMES.index("tumour_side")  # its zero must stay where left and right meet
    data["targets"][:, side] = np.clip(data["targets"][:, side], -3, 3)
    return data


def without_prognosis(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the data of a generic pretext: no target counts that measures prognosis."""
    counts = np.zeros_like(data["counts"])
    before = data["classes"][:, 1] == 0
    for k in map(NAMES.index, GENERIC):
        counts[before, k] = data["counts"][before, k]
    return {**data, "counts": counts}


def batch_of(data, chosen, canvas, rng=None) -> tuple[np.ndarray, np.ndarray]:
    """Crop and pad the chosen images as `roi.network_inputs` does; with `rng`, vary them.

    Returns
    -------
    images : ndarray of uint8, shape (n, rows, columns, 1)
    answers : ndarray of float32, shape (n, 2 * targets + 3)
        Targets, where they count, sequence, time point, level.
    """
    targets = data["targets"][chosen].copy()
    images = np.zeros((len(chosen), *canvas, 1), np.uint8)
    for row, number in enumerate(chosen):
        box = data["boxes"][number].astype(int)
        levels = np.arange(256)
        mirror = False
        if rng is not None:
            box = np.clip(box + rng.integers(-6, 7, 4), 0, SIZE)
            levels = 255 * (levels / 255) ** np.exp(rng.normal(0, 0.12)) * rng.uniform(0.92, 1.08)
            mirror = rng.random() < 0.5
        x0, y0, x1, y1 = box
        region = np.clip(levels, 0, 255).astype(np.uint8)[data["images"][number, y0:y1, x0:x1]]
        region = region[: canvas[0], : canvas[1]]
        top, left = (canvas[0] - region.shape[0]) // 2, (canvas[1] - region.shape[1]) // 2
        place = images[row, top : top + region.shape[0], left : left + region.shape[1], 0]
        place[:] = region[:, ::-1] if mirror else region
        if mirror:
            targets[row, NAMES.index("tumour_side")] *= -1
    return images, np.concatenate([targets, data["counts"][chosen], data["classes"][chosen]], 1)


# --- network and loss ---------------------------------------------------------------------------


def build(canvas: tuple[int, int]):
    """Return the tutorial's backbone for a canvas, with one linear layer on its pooled features.

    Pooled features are scaled to what they would be if the rest of the whole canvas were empty.
    """
    import keras
    from keras import layers, ops

    from npc_helpers.network.models import inception_resnet_v2

    square = inception_resnet_v2(SIZE, width=TUTORIAL.width, blocks=TUTORIAL.blocks, seed=SEED)
    pixels = keras.Input((*canvas, 1), name="pixels")
    backbone = keras.models.clone_model(square, input_tensors=pixels)
    cells = [np.prod(network.output.shape[1:3]) for network in (backbone, square)]
    pooled = layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    scaled = layers.Rescaling(float(cells[0] / cells[1]), name="pool_scale")(pooled)
    penalised = layers.ActivityRegularization(l2=SPARSITY, name="sparsity")(scaled)
    x = layers.Dropout(0.2, seed=SEED, name="dropout")(penalised)
    answers = layers.Dense(len(NAMES) + 2 + LEVELS, name="answers")(x)
    k = len(NAMES)
    weight = np.array(list(TARGETS.values()), np.float32)

    def loss(truth, answer):
        squared = ops.square(answer[:, :k] - truth[:, :k]) * truth[:, k : 2 * k] * weight
        binary = keras.losses.binary_crossentropy(
            truth[:, 2 * k : 2 * k + 2], answer[:, k : k + 2], from_logits=True
        )
        level = keras.losses.sparse_categorical_crossentropy(
            truth[:, 2 * k + 2], answer[:, k + 2 :], from_logits=True
        )
        return ops.sum(squared, axis=1) + CLASS_WEIGHT * (2 * binary + level)

    return keras.Model(pixels, answers, name="pretraining"), loss


def train(data, *, epochs: int, full_epochs: int = FULL_EPOCHS, log_path: Path):
    """Train on the tight canvas, then on the whole one; return the network for the latter."""
    import keras

    per_patient = len(data["images"]) // len(data["latents"])
    n_train = per_patient * (len(data["latents"]) - held_out(len(data["latents"])))
    numbers, others = np.arange(n_train), np.arange(n_train, len(data["images"]))
    steps = epochs * (len(numbers) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE / 10, steps - steps // 20, warmup_target=LEARNING_RATE,
        warmup_steps=steps // 20,
    )  # fmt: skip
    optimizer = keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY, clipnorm=5.0)
    network, rows, canvas = None, [], None
    for epoch in range(1, epochs + 1):
        wanted = TIGHT if epoch <= epochs - min(full_epochs, epochs - 1) else (SIZE, SIZE)
        if wanted != canvas:
            network, canvas = _next_network(network, wanted, optimizer), wanted
        rng = np.random.default_rng([SEED, epoch])
        order = rng.permutation(numbers)[: len(numbers) // BATCH * BATCH].reshape(-1, BATCH)
        for chosen in tqdm(order, desc=f"epoch {epoch}", disable=None):
            logs = network.train_on_batch(*batch_of(data, chosen, canvas, rng), return_dict=True)
        row = {
            "epoch": epoch,
            "canvas": "x".join(map(str, canvas)),
            "loss_of_last_batch": round(float(logs["loss"]), 4),
        }
        rows.append(row | held_out_r2(network, data, others, canvas))
        print(rows[-1], flush=True)
        with log_path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return network


def _next_network(old, canvas, optimizer):
    """Return the network for another canvas with the weights and optimizer of the old one."""
    import keras

    network, loss = build(canvas)
    if old is not None:
        network.set_weights(old.get_weights())
    if optimizer.built:  # its slots belong to the variables in order: carry their values over
        state = [keras.ops.convert_to_numpy(v) for v in optimizer.variables]
        optimizer = type(optimizer).from_config(optimizer.get_config())
        optimizer.build(network.trainable_variables)
        for variable, value in zip(optimizer.variables, state, strict=True):
            variable.assign(value)
    network.compile(optimizer=optimizer, loss=loss)
    return network


def held_out(patients: int) -> int:
    """Number of patients kept from training."""
    return max(2, min(HELD_OUT, patients // 5))


def held_out_r2(network, data, numbers, canvas) -> dict[str, float]:
    """Share of the variance of each target that is explained in held-out images."""
    answers, truth = [], []
    for start in range(0, len(numbers), 64):
        images, part = batch_of(data, numbers[start : start + 64], canvas)
        answers.append(network.predict_on_batch(images))
        truth.append(part)
    answers, truth = np.concatenate(answers), np.concatenate(truth)
    k = len(NAMES)
    result = {}
    for i, name in enumerate(NAMES):
        shown = truth[:, k + i] > 0
        error = (answers[shown, i] - truth[shown, i]) ** 2
        if shown.any():
            result[name] = round(float(1 - error.mean() / truth[shown, i].var()), 3)
    result["level"] = round(float((answers[:, k + 2 :].argmax(1) == truth[:, -1]).mean()), 3)
    return result


# --- what the features know ---------------------------------------------------------------------


def probe(backbone, data) -> dict[str, float]:
    """R2 of a ridge regression of the latents on held-out patients' mean features."""
    from npc_helpers.network.features import extract_features

    n = 3 * held_out(len(data["latents"]))
    per_patient = len(data["images"]) // len(data["latents"])
    last = np.arange(len(data["images"]))[-n * per_patient :]
    images = np.concatenate([batch_of(data, [number], (SIZE, SIZE))[0] for number in last])
    features = extract_features(backbone, images).reshape(n, 2, per_patient // 2, -1)
    features = features.mean(axis=2)  # patient, time point, feature
    latents = data["latents"][-n:]
    return {
        "aggressiveness_pre": _ridge_r2(features[:, 0], latents[:, 0]),
        "residual_post": _ridge_r2(features[:, 1], latents[:, 1]),
    }


def _ridge_r2(x: np.ndarray, y: np.ndarray) -> float:
    """Fit on two thirds (seen in training), score on the held-out third."""
    cut = len(y) * 2 // 3
    x = (x - x[:cut].mean(axis=0)) / (x[:cut].std(axis=0) + 1e-6)
    mean = y[:cut].mean()
    gram = x[:cut].T @ x[:cut] + 0.1 * cut * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, x[:cut].T @ (y[:cut] - mean))
    error = y[cut:] - mean - x[cut:] @ weights
    return round(float(1 - (error**2).mean() / y[cut:].var()), 3)


def main() -> None:
    """Render, train, save the weights, their note and the log."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=PATIENTS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--full-epochs", type=int, default=FULL_EPOCHS, help="on whole images")
    parser.add_argument("--targets", choices=("informed", "generic"), default="informed")
    parser.add_argument("--out", type=Path, default=None, help="folder (that of the package)")
    options = parser.parse_args()
    data = draw_all(options.patients)

    from npc_helpers.network.weight_sources import IN_DOMAIN_FILE

    if options.out is None and options.targets == "generic":
        parser.error("--targets generic needs --out FOLDER: the package ships the informed weights")
    pretrain(
        data,
        options.targets,
        (options.out or IN_DOMAIN_FILE.parent) / IN_DOMAIN_FILE.name,
        epochs=options.epochs,
        full_epochs=options.full_epochs,
    )


def pretrain(data, targets: str, path: Path, *, epochs: int, full_epochs: int) -> None:
    """Train on ``informed`` or ``generic`` targets; write weights, their note, and the log."""
    import keras

    from npc_helpers.network.models import prognosis_model
    from npc_helpers.network.weight_sources import save_in_domain

    path.parent.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(SEED)
    if targets == "generic":
        data = without_prognosis(data)
    log_path = path.with_name(f"{path.stem}_log.csv")
    network = train(data, epochs=epochs, full_epochs=full_epochs, log_path=log_path)
    backbone = prognosis_model(dataclasses.replace(TUTORIAL, weights="none"), seed=SEED)
    for layer in backbone.layers:
        if layer.name not in ("pool", "dropout", "risk"):
            layer.set_weights(network.get_layer(layer.name).get_weights())
    found = probe(backbone, data)
    print(found)
    save_in_domain(
        backbone,
        path,
        width=TUTORIAL.width,
        blocks=TUTORIAL.blocks,
        seed=SEED,
        patients=len(data["latents"]),
        generator=VERSION,
        epochs=epochs,
        keras=keras.__version__,
        backend=keras.backend.backend(),
        targets=list(NAMES if targets == "informed" else GENERIC),
        made_by=Path(__file__).name,
        probe=found,
    )


if __name__ == "__main__":
    main()
