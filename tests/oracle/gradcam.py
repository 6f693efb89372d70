"""Writes gradcam.json: maps of pytorch-grad-cam for the network of `tests/fixed_weights.py`.

``KERAS_BACKEND=torch PYTHONPATH=.:tests python tests/oracle/gradcam.py`` in the project's folder,
where torch and grad-cam are installed; the suite needs neither. The library listens to modules of
PyTorch, so the network is cut into two of them at the layer in question. Its maps are taken before
it sets negative shares to zero and stretches them to the image.
"""

import json
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import torch
from fixed_weights import network, pixels
from pytorch_grad_cam import GradCAM, HiResCAM

from npc_helpers.network.models import LAST_CONVOLUTION, end_of_block17


class Part(torch.nn.Module):
    """A part of a Keras model; channels come second outside, as PyTorch has them."""

    def __init__(self, start, end, *, channels_out: bool) -> None:
        super().__init__()
        self.part, self.channels_out = keras.Model(start, end), channels_out

    def forward(self, x):
        y = self.part(torch.movedim(x, 1, -1))
        return torch.movedim(y, -1, 1) if self.channels_out else y


def margin(answer):
    """Log-odds of high risk of one image."""
    return torch.log(answer[1]) - torch.log(answer[0])


def maps(method, model, layer: str, images) -> np.ndarray:
    """Return the maps (n, h, w) of one method at one layer."""
    cells = model.get_layer(layer).output
    below = Part(model.input, cells, channels_out=True)
    behind = Part(cells, model.output, channels_out=False)
    x = torch.movedim(torch.tensor(images, dtype=torch.float32), -1, 1)
    with method(torch.nn.Sequential(below, behind), [below]) as cam:
        cam(x, [margin] * len(images))
        activations, gradients = (
            side[0].detach().numpy()
            for side in (cam.activations_and_grads.activations, cam.activations_and_grads.gradients)
        )
        return cam.get_cam_image(x, below, [margin] * len(images), activations, gradients, False)


def main() -> None:
    """Write the file."""
    model, images = network(), pixels(2, 144, 144, 1)
    content = {
        "made_by": {name: version(name) for name in ("torch", "grad-cam", "keras")},
        "GradCAM": maps(GradCAM, model, LAST_CONVOLUTION, images).tolist(),
        "HiResCAM": maps(HiResCAM, model, end_of_block17(model), images).tolist(),
    }
    path = Path(__file__).with_name("gradcam.json")
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
