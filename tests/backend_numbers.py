"""What the backend of Keras named by KERAS_BACKEND makes of one network: writes an .npz file.

``KERAS_BACKEND=torch python tests/backend_numbers.py numbers.npz``
"""

import dataclasses
import json
import sys

import keras
import numpy as np
from fixed_weights import SETTING, network, pixels

from npc_helpers.network import gradcam, training

# no unit of this network lies within 8e-6 of zero for them, where a ReLU bends and rounding decides
IMAGES, LABELS = pixels(4, 144, 144, 1, seed=5), np.array([0, 1, 1, 0])


def in_64_bits(model):
    """Return a model with the same weights that computes in 64 bits."""
    config = json.dumps(model.get_config(), default=str).replace("float32", "float64")
    copy = keras.Model.from_config(json.loads(config))
    copy.set_weights(model.get_weights())
    return copy


def after_a_step(bits):
    """Return the weights, and apart from them the running variances, after a step of descent."""
    model = network(train_normalisation=True)  # its means move along
    keras.config.set_floatx(f"float{bits}")
    model = in_64_bits(model) if bits == 64 else model
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.train_on_batch(IMAGES, LABELS)
    keras.config.set_floatx("float32")
    parts = {"weights after a step": [], "running variances after a step": []}
    for weight in model.weights:
        values = keras.ops.convert_to_numpy(weight).ravel()
        parts[list(parts)[weight.path.endswith("moving_variance")]].append(values)
    return {name: np.concatenate(values) for name, values in parts.items()}


def numbers():
    """Return predictions, maps, the weights after one step of descent, and losses of Adam."""
    model = network()
    answers = gradcam.activations(model, IMAGES)
    result = {
        "log-odds": gradcam.log_odds(model, IMAGES),
        "Grad-CAM": gradcam.class_map(answers, gradcam.head(model)[0]),
        "finer map": gradcam.finer_map(model, IMAGES, batch_size=4),
    }
    result |= after_a_step(64 if keras.backend.backend() == "tensorflow" else 32)
    result["weights in 32 bits"] = after_a_step(32)["weights after a step"]
    model = training.compiled(network(), dataclasses.replace(SETTING, l2=1e-3), steps=3)
    result["losses of Adam"] = [model.train_on_batch(IMAGES, LABELS)[0] for _ in range(3)]
    return result


if __name__ == "__main__":
    np.savez(sys.argv[1], **numbers())
