"""How much memory do an epoch of batches and the kept values of a frozen network hold?

    python benchmarks/memory.py [--patients 206 2060]

Images of the tutorial setting, 14 for each patient, lie in a memory map, as `study_images` leaves
them; the file is sparse, so that it takes no disk. One epoch of `Batches` is drawn as notebook 03
draws it, and `features.kept_values` is computed by a stand-in that gives the mean of each eighth
of an image at once: what the data take is asked for, and not what the network takes. Printed is the
largest memory held beyond the start, without pages of mapped files, which the system takes back
when it needs them.
"""

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np

from npc_helpers.network import features, training
from npc_helpers.study.settings import TUTORIAL

IMAGES_EACH = 14
MIB = 2**20


def held() -> int:
    """Return the bytes held by this process that belong to no file (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


class Watched:
    """A memory map that notes the memory held whenever a piece of it is read."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.shape, self.ndim, self.dtype = data, data.shape, data.ndim, data.dtype
        self.start = self.peak = held()

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, rows):
        piece = np.asarray(self.data[rows])
        self.peak = max(self.peak, held())
        return piece

    @property
    def added(self) -> float:
        """MiB beyond the start, at most."""
        return (max(self.peak, held()) - self.start) / MIB


def stand_in(side: int) -> keras.Model:
    """Return a network without weights that answers at once."""
    pixels = keras.Input((side, side, 1))
    means = keras.layers.AveragePooling2D(side // 8)(pixels)
    return keras.Model(pixels, keras.layers.Flatten()(means))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, nargs="+", default=[206, 2060])
    options, side = parser.parse_args(), TUTORIAL.input_size
    model = stand_in(side)
    model.predict_on_batch(np.zeros((32, side, side, 1), np.uint8))  # builds the graph
    print("| patients | images | `Batches`, an epoch | `kept_values` |\n|---|---|---|---|")
    for patients in options.patients:
        n = patients * IMAGES_EACH
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "images.npy"
            mapped = np.lib.format.open_memmap(path, "w+", np.uint8, (n, side, side, 1))
            of_batches = Watched(mapped)
            labels, whose = np.arange(n) % 2 == 0, np.arange(n) // IMAGES_EACH
            batches = training.batches_of(
                of_batches, labels, setting=TUTORIAL, seed=1, patients=whose
            )
            for number in range(len(batches)):
                batches[number]
            of_values = Watched(mapped)
            features.kept_values(model, of_values, folder, progress=False)
            row = f"{of_batches.added:.0f} MiB | {of_values.added:.0f} MiB"
            print(f"| {patients:,} | {n:,} | {row} |", flush=True)


if __name__ == "__main__":
    main()
