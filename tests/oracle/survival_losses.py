"""Writes survival_losses.json: losses of torchsurv and pycox on the patients of this folder.

``python tests/oracle/survival_losses.py`` where torch, torchsurv (Cox, ties by Efron and by
Breslow) and pycox (Cox without ties, LogisticHazard) are installed; the suite needs none of them.
The log hazard of a patient is the column ``continuous``; the network's answer before the sigmoid
is that column plus -2, -1.5, -1 and -0.5 in the four intervals. pycox counts a patient who is lost
as having survived the interval; ours asks for its middle. Both mean the same where somebody is
lost at the end of an interval, so those who are lost are here lost at the next such end, and who
is lost after the last, at the last.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pycox.models.loss import cox_ph_loss, nll_logistic_hazard
from torchsurv.loss.cox import neg_partial_log_likelihood

HERE = Path(__file__).parent
ENDS = np.array([12.0, 24.0, 36.0, 48.0])
LEVELS = np.array([-2.0, -1.5, -1.0, -0.5])


def losses(table: pd.DataFrame) -> dict:
    """Return sums over the patients of each Cox loss, and each patient's loss of the hazards."""
    f = torch.tensor(table.continuous.to_numpy())
    event, time = torch.tensor(table.event.to_numpy() == 1), torch.tensor(table.time.to_numpy())
    cox = {
        ties: neg_partial_log_likelihood(f, event, time, ties_method=ties, reduction="sum").item()
        for ties in ("efron", "breslow")
    }
    if table.time.is_unique:
        cox["pycox"] = cox_ph_loss(f, time, event.double(), eps=0.0).item() * int(event.sum())
    interval = np.searchsorted(ENDS, table.time)  # (a, b] holds its end
    event = (table.event == 1) & (interval < len(ENDS))  # later than the last end: survived it
    phi = torch.tensor(table.continuous.to_numpy()[:, None] + LEVELS)
    at = torch.tensor(np.minimum(interval, len(ENDS) - 1))
    hazards = nll_logistic_hazard(phi, at, torch.tensor(event.to_numpy()).double(), "none")
    return {"cox": cox, "hazards": hazards.tolist()}


def main() -> None:
    """Write the file."""
    patients = pd.read_csv(HERE / "patients.csv")
    made_by = {name: version(name) for name in ("torch", "torchsurv", "pycox")}
    result = {name: losses(table) for name, table in patients.groupby("dataset")}
    content = {"made_by": made_by, "ends": ENDS.tolist(), "levels": LEVELS.tolist()}
    text = json.dumps(content | {"datasets": result}, indent=None)
    (HERE / "survival_losses.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
