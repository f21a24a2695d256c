"""Figures that notebooks show and scripts write."""

import io


def notebook_figure(width, height):
    """A matplotlib `Figure` of a size in inches."""
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        """A notebook shows it, which it does with a plain one only after pyplot is imported there."""

        def _repr_png_(self):
            file = io.BytesIO()
            self.savefig(file, format="png")
            return file.getvalue()

    return NotebookFigure(figsize=(width, height), layout="constrained")
