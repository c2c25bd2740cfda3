"""The playground: a web page that runs convcalc in the browser, built by `python -m tests.playground -o FOLDER`.

`page/` holds what the browser loads, `bridge.py` the functions that the page calls in Pyodide, and `build.py` puts them
together with Pyodide, the wheels and the bundled editor.
"""
