"""What the backend of Keras named by KERAS_BACKEND makes of one network: writes an .npz file.

``KERAS_BACKEND=torch python tests/backend_numbers.py numbers.npz``
"""

import dataclasses
import sys

import keras
import numpy as np
from fixed_weights import SETTING, network, pixels

from npc_helpers.network import gradcam, training

# no unit of this network lies within 8e-6 of zero for them, where a ReLU bends and rounding decides
IMAGES, LABELS = pixels(4, 144, 144, 1, seed=5), np.array([0, 1, 1, 0])


def numbers():
    """Return predictions, maps, the weights after one step of descent, and losses of Adam."""
    model = network()
    answers = gradcam.activations(model, IMAGES)
    result = {
        "log-odds": gradcam.log_odds(model, IMAGES),
        "Grad-CAM": gradcam.class_map(answers, gradcam.head(model)[0]),
        "finer map": gradcam.finer_map(model, IMAGES, batch_size=4),
    }
    model = network(train_normalisation=True)  # its means move along
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.train_on_batch(IMAGES, LABELS)
    for name, chosen in (("weights", False), ("running variances", True)):
        result[f"{name} after a step"] = np.concatenate(
            [
                keras.ops.convert_to_numpy(w).ravel()
                for w in model.weights
                if w.path.endswith("moving_variance") == chosen
            ]
        )
    model = training.compiled(network(), dataclasses.replace(SETTING, l2=1e-3), steps=3)
    result["losses of Adam"] = [model.train_on_batch(IMAGES, LABELS)[0] for _ in range(3)]
    return result


if __name__ == "__main__":
    np.savez(sys.argv[1], **numbers())
