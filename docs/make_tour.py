"""Make the README's pictures from the committed notebooks: ``python docs/make_tour.py``."""

import base64
import itertools
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
PICTURES = {  # file name: notebook, and how the caption of the picture begins
    "flow_chart": ("01_screen_cohort", "Flow chart"),
    "rectangles": ("02_crop_roi", "All slices"),
    "network": ("03_train_pre_model", "Diagram"),
    "roc": ("05_compare_with_tnm", "ROC curves"),
    "gradcam": ("06_explore_gradcam", "Image, grid of cells"),
}


def picture(notebook: str, begins: str) -> bytes:
    """Return the PNG in `notebook` whose caption starts with `begins`."""
    book = nbformat.read(ROOT / "notebooks" / f"{notebook}.ipynb", as_version=4)
    for cell in book.cells:
        for shown, below in itertools.pairwise(cell.get("outputs", [])):
            caption = below.get("data", {}).get("text/plain", "").partition(".** ")[2]
            if "image/png" in shown.get("data", {}) and caption.startswith(begins):
                return base64.b64decode(shown["data"]["image/png"])
    raise SystemExit(f"{notebook} holds no picture whose caption begins with {begins!r}")


def main() -> None:
    """Write all pictures to ``docs/images/``."""
    folder = ROOT / "docs" / "images"
    folder.mkdir(exist_ok=True)
    for name, place in PICTURES.items():
        (folder / f"{name}.png").write_bytes(picture(*place))
        print("wrote", (folder / f"{name}.png").relative_to(ROOT))


if __name__ == "__main__":
    main()
