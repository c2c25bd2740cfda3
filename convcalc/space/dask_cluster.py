"""Connects to a cluster of Dask (`pip install convcalc[dask]`).

`connect("tcp://127.0.0.1:8786")` provides its executor, for `run_tasks`.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from convcalc.problems import Flaw, printable, show

_SECONDS = 10  # to answer
_RETRIES = 2  # by Dask, before it reports a lost task


@contextmanager
def connect(address: str) -> Iterator[Executor]:
    """Provide the executor of a cluster. Raises Flaw if Dask is not installed or the scheduler does not answer."""
    try:
        from distributed import Client
    except ImportError:
        raise Flaw("--dask needs dask", "pip install 'convcalc[dask]'") from None
    try:
        client = Client(address, timeout=_SECONDS, set_as_default=False)
    except OSError:  # also a timeout
        hint = "dask scheduler prints the address, such as tcp://127.0.0.1:8786"
        raise Flaw(f"--dask: no scheduler answers at {printable(address)}", hint) from None
    except ValueError as error:
        raise Flaw(f"--dask: {show(address)} is not an address: {printable(str(error))}") from None
    try:
        yield client.get_executor(pure=False, retries=_RETRIES)
    finally:
        client.close()
