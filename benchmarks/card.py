"""The paper setting on a graphics card: seconds an epoch, memory, and the maps, beside PyTorch.

    KERAS_BACKEND=torch python benchmarks/card.py [--epochs 2] [--few 320] [--side 512]

Trains the published network (random start values, as no weights may be at hand) on the images of
the study's Post-model as notebook 04 does under ``NPC_SETTING="paper weights=none"``, and times
each epoch with the saving of its state. Then short epochs of some images in the variants for
smaller cards (`docs/paper_setting.md`), predictions, Grad-CAM and the finer map; and, where timm is
installed, a training step of the same network written in PyTorch. Seconds are wall time of a
machine with nothing else to do. Prints what `preflight` had said before, and Markdown for the docs.
"""

import argparse
import dataclasses
import tempfile
import time

import keras
import numpy as np
import pandas as pd

from npc_helpers.cohort import included_patients
from npc_helpers.network import features, gradcam, preflight, training
from npc_helpers.network.models import prognosis_model, trainable_part
from npc_helpers.network.resume import Resume
from npc_helpers.study import Study
from npc_helpers.study.settings import PAPER, Setting

VARIANTS = {
    "32 bits": {},
    "accumulate=4": {"accumulate": 4},
    "precision=mixed_bfloat16": {"precision": "mixed_bfloat16"},
    "accumulate=4 precision=mixed_bfloat16": {"accumulate": 4, "precision": "mixed_bfloat16"},
}
STEPS = 10  # of the network in PyTorch


class Clock(keras.callbacks.Callback):
    """Notes when each epoch ended; given after `Resume`, whose saving then counts."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = [time.perf_counter()]

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.ends.append(time.perf_counter())


def forget_peak() -> None:
    """Begin to measure the peak memory of the card anew, where the backend can."""
    if keras.backend.backend() == "torch":
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak() -> float:
    """Return the largest memory taken on the card, GiB; of JAX since the program began."""
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.max_memory_allocated() / 2**30
    if keras.backend.backend() == "jax":
        import jax

        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", np.nan) / 2**30
    return np.nan


def epochs_of(setting: Setting, images, high_risk, epochs: int) -> pd.DataFrame:
    """Train as notebook 04 does, some epochs long; return seconds, loss and accuracy of each."""
    forget_peak()
    batches = training.batches_of(images, high_risk, setting=setting, seed=1)
    learner = trainable_part(prognosis_model(setting, seed=1))
    training.compiled(learner, setting, steps=epochs * len(batches))
    with tempfile.TemporaryDirectory() as folder:
        saving = Resume(folder, batches, progress=False)
        clock = Clock()
        record = learner.fit(
            batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[saving, clock]
        )
    return pd.DataFrame(record.history).assign(seconds=np.diff(clock.ends))


def seconds(call, n: int) -> float:
    """Return seconds an image of a call that has been made once before."""
    call()
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) / n


def step_of_timm(side: int, batch_size: int) -> str:
    """Time a step of Adam in PyTorch, normalisation frozen as ours."""
    import timm
    import torch

    card = "cuda" if torch.cuda.is_available() else "cpu"
    net = timm.create_model("inception_resnet_v2", pretrained=False, num_classes=2).eval().to(card)
    adam = torch.optim.Adam(net.parameters(), 1e-4)
    x = torch.rand(batch_size, 3, side, side, device=card)
    y = torch.arange(batch_size, device=card) % 2

    def steps():
        for _ in range(STEPS):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()
            adam.step()
        y.sum().item()  # waits for the card

    return f"| timm (PyTorch), {STEPS} steps | {seconds(steps, STEPS * batch_size) * 1e3:.1f} |  |"


def main() -> None:
    """Train, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--few", type=int, default=320, help="images of a variant's epochs")
    parser.add_argument("--side", type=int, default=PAPER.canvas)
    options = parser.parse_args()
    study = Study.open()
    paper = dataclasses.replace(PAPER, weights="none", shrink=PAPER.canvas // options.side)
    cohort, rois = included_patients(study.read_table("cohort.csv")), study.read_table("rois.csv")
    images, index = features.study_images(
        study, rois, "post", patients=cohort.patient_id, setting=paper
    )
    of_image = cohort.set_index("patient_id").loc[index.patient_id]
    train = (of_image.split == "train").to_numpy()
    sizes = {"n_images": len(images), "n_training": int(train.sum())}
    print(preflight.preflight(paper, **sizes, folder=study.folder).to_string(), flush=True)
    high_risk = of_image.high_risk.to_numpy(bool)
    if options.epochs:
        epochs = epochs_of(paper, images[train], high_risk[train], options.epochs)
        print(f"\n{train.sum()} images of side {options.side}; peak {peak():.1f} GiB")
        print(epochs.round(3).to_string(), flush=True)
    few = np.flatnonzero(train)[:: max(1, train.sum() // options.few)][: options.few]
    print("\n| what | milliseconds an image | peak, GiB |\n|---|---|---|")
    for name, changes in VARIANTS.items():
        setting = dataclasses.replace(paper, **changes)
        epochs = epochs_of(setting, images[few], high_risk[few], 2)
        milliseconds = epochs.seconds.iloc[-1] / len(few) * 1e3
        print(f"| training, {name} | {milliseconds:.1f} | {peak():.1f} |", flush=True)
    model, some = prognosis_model(paper, seed=1), np.asarray(images[few])
    calls = {
        "prediction": lambda: training.predict(model, some, progress=False),
        "Grad-CAM": lambda: gradcam.class_map(
            gradcam.activations(model, some), gradcam.head(model)[0]
        ),
        "finer map": lambda: gradcam.finer_map(model, some),
    }
    for name, call in calls.items():
        print(f"| {name} | {seconds(call, len(some)) * 1e3:.2f} |  |", flush=True)
    try:
        print(step_of_timm(options.side, paper.batch_size), flush=True)
    except ImportError as error:
        print(f"\nNo comparison with PyTorch ({error}).")


if __name__ == "__main__":
    main()
