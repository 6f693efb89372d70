"""Plotly figures for exploring: hover tells what a printed figure cannot."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from npc_helpers import statistics
from npc_helpers.figures.results import model_colour
from npc_helpers.study import mark

DASHES = {"Pre-model": "dash", "Post-model": "dashdot", "Ensemble": "solid", "TNM": "dot"}


def roc_explorer(high_risk, risk_scores: Mapping) -> go.Figure:
    """Return ROC curves whose points tell threshold, sensitivity and specificity on hover.

    Parameters
    ----------
    high_risk, risk_scores
        As for `roc_figure`, which is the printed twin.
    """
    figure = go.Figure()
    for position, (name, score) in enumerate(risk_scores.items()):
        curve = statistics.roc_curve(high_risk, score)
        figure.add_scatter(
            x=curve.fpr,
            y=curve.tpr,
            mode="lines+markers",
            name=f"{name}: {statistics.roc_auc(high_risk, score)}",
            line={"color": model_colour(name, position), "dash": DASHES.get(name, "solid")},
            marker={"size": 5},
            customdata=[[t, 1 - fpr] for t, fpr in zip(curve.threshold, curve.fpr, strict=True)],
            hovertemplate=(
                "threshold %{customdata[0]:.3f}<br>sensitivity %{y:.3f}"
                "<br>specificity %{customdata[1]:.3f}"
            ),
        )
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", showlegend=False, hoverinfo="skip",
        line={"color": "gray", "dash": "dot", "width": 1},
    )  # fmt: skip
    figure.update_layout(
        xaxis={"title": "1 − specificity", "range": [-0.01, 1.01]},
        yaxis={"title": "sensitivity", "range": [-0.01, 1.01], "scaleanchor": "x"},
        width=760,
        height=560,
        title={"text": mark.text(), "font": {"size": 11}},
        template="plotly_white",
    )
    return figure
