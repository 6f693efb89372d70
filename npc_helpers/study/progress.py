"""The one progress bar: for a terminal and a notebook, and silent in a log."""

import sys


def progress_bar(iterable=None, *, shown: bool = True, **options):
    """Return a tqdm bar that is drawn only where somebody watches, and not if `shown` is False.

    Without an iterable the bar is advanced by ``update``; the options are tqdm's (total, desc,
    unit, initial, leave …).
    """
    from tqdm.auto import tqdm

    return tqdm(iterable, disable=not (shown and somebody_watches()), **options)


def somebody_watches() -> bool:
    """Tell whether standard error is a terminal or the output of a notebook."""
    ipython = sys.modules.get("IPython")
    in_notebook = ipython is not None and hasattr(ipython.get_ipython(), "kernel")
    return in_notebook or sys.stderr.isatty()
