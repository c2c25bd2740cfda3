"""Networks, reports and pictures display themselves in a real notebook. Needs the extra `notebook`."""

from __future__ import annotations

from typing import Any

import pytest

nbformat: Any = pytest.importorskip("nbformat", reason="notebooks need pip install 'convcalc[notebook]'")
nbclient: Any = pytest.importorskip("nbclient", reason="notebooks need pip install 'convcalc[notebook]'")
pytest.importorskip("ipykernel", reason="notebooks need pip install 'convcalc[notebook]'")

CELLS = {
    "import convcalc\nnet = convcalc.load('example:lenet5')\nnet": "text/html",
    "convcalc.analyse(net)": "text/html",
    "net.draw('stack')": "image/svg+xml",
    "convcalc.analyse(net).plot_memory()": "image/svg+xml",
    "convcalc.analyse(net).plot_field('conv2', position=(0, 0))": "image/svg+xml",
}


@pytest.mark.filterwarnings("ignore")  # those of the notebook's own packages
def test_a_notebook_shows_tables_and_pictures() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in CELLS])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    for cell, kind in zip(notebook.cells, CELLS.values(), strict=True):
        [output] = cell.outputs
        assert kind in output.data, cell.source
        assert "lenet5" in output.data[kind]
