"""Forward passes and Grad-CAM of the published network: ours beside other libraries, in one run.

    python benchmarks/runtimes.py [--sides 299 512] [--repeats 5] [--only inference step]

Inception-ResNet-V2 at full width with one set of random weights: ours (Keras on TensorFlow),
timm (PyTorch) with pytorch-grad-cam, ONNX Runtime and OpenVINO. The last two run what Keras exports
of our model (``model.export(path, format="onnx")`` or ``"openvino"``). Before anything is timed,
probabilities and maps are compared with ours. Everything runs in one thread and is measured in
processor time, the least of several repeats: so other work on the machine disturbs little.

Needs torch, timm and grad-cam; onnxruntime and tf2onnx; openvino. What is not installed is left
out with a sentence. Also printed: how much of the machine's rate for products of large matrices our
forward pass reaches, and the time of one training step, Adam on 4 images of the smallest side, of
Keras' own `train_on_batch` and of PyTorch. Prints Markdown for docs/results.md.
"""

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(name, "1")  # read when the libraries are loaded

import keras  # noqa: E402
import numpy as np  # noqa: E402

from npc_helpers.network import gradcam, models  # noqa: E402
from npc_helpers.study.settings import PAPER  # noqa: E402

TRAINED = 4  # images of a training step


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Return the least processor time of a call that has been made once before."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def ours(side: int) -> keras.Model:
    """Return the published network with random weights and normalisations of order one."""
    setting = dataclasses.replace(PAPER, canvas=side, weights="none", dropout=0.0)
    model, rng = models.prognosis_model(setting, seed=1), np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [rng.normal(0, 0.1, beta.shape), rng.normal(0, 0.1, mean.shape), variance]
            )
    return model


def operations(model: keras.Model) -> float:
    """Return how many additions and multiplications the convolutions of one image take."""
    total = 0.0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            total += 2 * np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:3])
    return total


def matrix_rate(repeats: int, size: int = 2048) -> float:
    """Return the operations a second of a product of two square matrices."""
    a = keras.ops.convert_to_tensor(np.random.default_rng(0).random((size, size), np.float32))
    return 2 * size**3 / seconds(lambda: np.asarray(keras.ops.matmul(a, a)), repeats)


def class_maps(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Return what makes Grad-CAM by the closed form."""
    weights = gradcam.head(model)[0]
    return lambda images: gradcam.class_map(
        gradcam.activations(model, images), weights, target="logit"
    )


def names_in_timm() -> Iterator[tuple[str, str]]:
    """Yield the name of each convolution: ours, and timm's."""
    stem = ("conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a")
    yield from zip((f"stem_{k}" for k in range(1, 6)), stem, strict=True)
    blocks = [("mixed_5b", "mixed_5b", models.MIXED_5B, False)]
    blocks += [(f"block35_{i + 1}", f"repeat.{i}", models.BLOCK_35, True) for i in range(10)]
    blocks += [("mixed_6a", "mixed_6a", models.MIXED_6A, False)]
    blocks += [(f"block17_{i + 1}", f"repeat_1.{i}", models.BLOCK_17, True) for i in range(20)]
    blocks += [("mixed_7a", "mixed_7a", models.MIXED_7A, False)]
    blocks += [(f"block8_{i + 1}", f"repeat_2.{i}", models.BLOCK_8, True) for i in range(9)]
    blocks += [("block8_10", "block8", models.BLOCK_8, True)]
    for block, theirs, branches, residual in blocks:
        for b, steps in enumerate(branches):
            for k in range(len(steps)):
                inner = f".{k}" if len(steps) > 1 else ""
                yield f"{block}_branch{b}_{k + 1}", f"{theirs}.branch{b}{inner}"
        if residual:
            yield f"{block}_conv", f"{theirs}.conv2d"
    yield "mixed_5b_branch3_1", "mixed_5b.branch3.1"
    yield "conv_7b", "conv2d_7b"


def in_timm(model: keras.Model):
    """Return timm's network with the weights of ours."""
    import timm
    import torch

    net = timm.create_model("inception_resnet_v2", pretrained=False, num_classes=2).eval()
    state = {}
    for in_keras, in_torch in names_in_timm():
        kernel, *bias = model.get_layer(in_keras).get_weights()
        prefix = in_torch if bias else f"{in_torch}.conv"
        state[f"{prefix}.weight"] = kernel.transpose(3, 2, 0, 1)
        if bias:
            state[f"{prefix}.bias"] = bias[0]
            continue
        beta, mean, variance = model.get_layer(f"{in_keras}_bn").get_weights()
        state |= {
            f"{in_torch}.bn.weight": np.ones_like(beta), f"{in_torch}.bn.bias": beta,
            f"{in_torch}.bn.running_mean": mean, f"{in_torch}.bn.running_var": variance,
        }  # fmt: skip
    kernel, state["classif.bias"] = gradcam.head(model)
    state["classif.weight"] = kernel.T
    tensors = {name: torch.tensor(np.ascontiguousarray(value)) for name, value in state.items()}
    missing, unexpected = net.load_state_dict(tensors, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing), missing
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.eps == 1e-3
    return net


def by_torch(model, images, repeats: int) -> dict[str, tuple]:
    """Return probabilities, maps and times of timm and pytorch-grad-cam."""
    import torch
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    torch.set_num_threads(1)
    net = in_timm(model)
    colour = np.repeat(images / np.float32(127.5) - 1, 3, axis=-1).transpose(0, 3, 1, 2)
    x = torch.tensor(np.ascontiguousarray(colour, dtype=np.float32))

    def forward():
        with torch.inference_mode():
            return torch.softmax(net(x), 1).numpy()

    layer, targets = net.conv2d_7b, [ClassifierOutputTarget(models.HIGH_RISK)] * len(images)
    with GradCAM(net, [layer]) as cam:

        def explain():
            cam(x, targets)
            answers, gradients = cam.activations_and_grads.activations, cam.activations_and_grads
            values = answers[0].detach().numpy(), gradients.gradients[0].detach().numpy()
            return cam.get_cam_image(x, layer, targets, *values, False)

        maps, of_map = explain(), seconds(explain, repeats)
    return {
        "timm (PyTorch)": ("forward", forward(), seconds(forward, repeats)),
        "timm and pytorch-grad-cam": ("Grad-CAM", maps, of_map),
    }


def by_onnx(model, images, repeats: int) -> dict[str, tuple]:
    """Return probabilities and time of ONNX Runtime."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model.export(str(path), format="onnx", verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: images.astype(np.float32)}
    run = lambda: session.run(None, feed)[0]  # noqa: E731
    return {"ONNX Runtime": ("forward", run(), seconds(run, repeats))}


def by_openvino(model, images, repeats: int) -> dict[str, tuple]:
    """Return probabilities and time of OpenVINO."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        model.export(str(path), format="openvino", verbose=False)
        options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(path, "CPU", options)
    x = images.astype(np.float32)
    run = lambda: compiled([x])[0]  # noqa: E731
    return {"OpenVINO": ("forward", run(), seconds(run, repeats))}


OTHERS = {"torch, timm and grad-cam": by_torch, "onnxruntime": by_onnx, "openvino": by_openvino}


def training_step(side: int, repeats: int) -> str:
    """Compare a step of Adam, normalisation frozen as in the paper setting."""
    import torch

    torch.set_num_threads(1)
    labels, rng = (np.arange(TRAINED) % 2).astype(np.int64), np.random.default_rng(1)
    images = rng.integers(0, 256, (TRAINED, side, side, 1)).astype(np.uint8)
    model = ours(side)
    net = in_timm(model)  # before the weights of ours move
    model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy", jit_compile=False)
    keras_own = seconds(lambda: model.train_on_batch(images, labels), repeats)
    colour = np.repeat(images / np.float32(127.5) - 1, 3, axis=-1).transpose(0, 3, 1, 2)
    x, y = torch.tensor(np.ascontiguousarray(colour, np.float32)), torch.tensor(labels)
    adam = torch.optim.Adam(net.parameters(), 1e-4)

    def step():
        adam.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        adam.step()

    theirs = seconds(step, repeats)
    row = f"| {side} | a step of Adam, {TRAINED} images |"
    return (
        f"{row} ours | {keras_own:.2f} | 1 | – |\n"
        f"{row} timm (PyTorch) | {theirs:.2f} | {keras_own / theirs:.2f} | – |"
    )


def main() -> None:
    """Compare, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[299, 512])
    parser.add_argument("--repeats", type=int, default=5)
    parts = ["inference", "step"]
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    options = parser.parse_args()
    print(f"Load of the machine: {os.getloadavg()[0]:.1f}\n")
    print(
        "| side | what | library | seconds an image | ours takes times that | largest difference |"
    )
    print("|---|---|---|---|---|---|")
    if "step" in options.only:
        try:
            print(training_step(min(options.sides), min(options.repeats, 2)), flush=True)
        except ImportError as error:
            print(f"\nNo comparison of training with PyTorch ({error}).\n")
    for side in options.sides if "inference" in options.only else ():
        model = ours(side)
        images = np.random.default_rng(1).integers(0, 256, (1, side, side, 1)).astype(np.uint8)
        calls = {
            "forward": lambda m=model, i=images: m.predict_on_batch(i),
            "Grad-CAM": partial(class_maps(model), images),
        }
        reference = {task: (call(), seconds(call, options.repeats)) for task, call in calls.items()}
        for task, (_, time_of_ours) in reference.items():
            print(f"| {side} | {task} | ours | {time_of_ours:.3f} | 1 | – |", flush=True)
        work = operations(model)
        share = work / reference["forward"][1] / matrix_rate(options.repeats)
        print(f"\nForward: {work / 1e9:.1f} GFLOP, at {share:.0%} of a matrix product's rate.\n")
        for packages, measure in OTHERS.items():
            try:
                results = measure(model, images, options.repeats)
            except ImportError as error:
                print(f"\nLeft out, not installed: {packages} ({error}).\n")
                continue
            for library, (task, values, time_of_theirs) in results.items():
                expected, time_of_ours = reference[task]
                gap = np.abs(values - expected).max() / np.abs(expected).max()
                assert gap < 1e-2, f"{library} computes something else: {gap}"
                ratio = time_of_ours / time_of_theirs
                row = f"| {side} | {task} | {library} | {time_of_theirs:.3f} | {ratio:.2f} |"
                print(f"{row} {gap:.0e} |", flush=True)


if __name__ == "__main__":
    main()
