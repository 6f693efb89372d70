"""How a claim or an answer is shown: as a sentence on the page, and on a terminal as a line."""


def say(markdown: str, **facts: object) -> None:
    """Show a sentence; `facts` go with it for programs that read the executed notebook.

    Parameters
    ----------
    markdown : str
    **facts
        Kept as ``metadata["npc"]`` of the output, for instance ``exercise="01.1", right=True``.
    """
    try:
        from IPython import get_ipython
        from IPython.display import publish_display_data
    except ImportError:
        print(markdown)
        return
    if get_ipython() is None:
        print(markdown)
        return
    data = {"text/markdown": markdown, "text/plain": markdown}
    publish_display_data(data, metadata={"npc": facts})
