"""Plotly figures for exploring: hover tells what a printed figure cannot."""

from html import escape

import pandas as pd
import plotly.graph_objects as go

from npc_helpers.figures import style
from npc_helpers.statistics import gate
from npc_helpers.study import mark

TOLD = ["patient_id", "t_stage", "n_stage", "event_type"]
GRID = {"gridcolor": "#80808040", "zerolinecolor": "#808080"}  # faint on light and dark pages
HOVER = (
    "%{customdata[0]}<br>%{x:.0f} months<br>%{customdata[1]} %{customdata[2]}"
    "<br>%{customdata[3]}<extra></extra>"
)


def follow_up_explorer(patients: pd.DataFrame) -> go.Figure:
    """Return one line per patient, from the start of treatment to progression or last review.

    Hover names the patient, the stage and the event; a click on the legend hides a group, and a
    rectangle drawn with the mouse enlarges what it encloses. `pfs_figure` is the printed twin.

    Parameters
    ----------
    patients : DataFrame
        patient_id, pfs_months, progressed; t_stage, n_stage and event_type are told where there
        are any.

    Examples
    --------
    >>> patients = pd.DataFrame({"patient_id": ["a", "b"], "pfs_months": [10, 40]})
    >>> figure = follow_up_explorer(patients.assign(progressed=[True, False]))
    >>> [trace.name for trace in figure.data]
    ['progressed (1)', 'without progression when last seen (1)']
    """
    gate.checked(**gate.of_table(patients, "pfs_months", "progressed"))
    ordered = patients.sort_values("pfs_months").reset_index(drop=True)
    figure = go.Figure()
    for progressed, name, colour, symbol in (
        (True, "progressed", style.PALETTE["high risk"], "x"),
        (False, "without progression when last seen", style.PALETTE["low risk"], "circle-open"),
    ):
        group = ordered[ordered["progressed"].astype(bool) == progressed]
        figure.add_scatter(
            x=group["pfs_months"],
            y=group.index + 1,
            mode="markers",
            name=f"{name} ({len(group)})",
            marker={"color": colour, "symbol": symbol, "size": 7},
            error_x={
                "type": "data", "symmetric": False, "array": [0] * len(group),
                "arrayminus": group["pfs_months"], "width": 0, "thickness": 0.5, "color": colour,
            },
            customdata=group.reindex(columns=TOLD, fill_value="").astype(str).map(escape),
            hovertemplate=HOVER,
        )  # fmt: skip
    figure.update_layout(
        xaxis={"title": "months since the start of treatment", "rangemode": "tozero"} | GRID,
        yaxis={"title": "patients, shortest observation first"} | GRID,
        width=900,
        height=520,
        title={"text": mark.text(), "font": {"size": 11}},
        legend={"orientation": "h", "y": 1.06, "x": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#757575"},
    )
    return figure
