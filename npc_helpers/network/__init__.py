"""Models, weights, training, prediction, repeated splits, Grad-CAM and its scores."""
