"""Runs the notebooks and makes their products."""
