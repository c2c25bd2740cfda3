"""What all tests share: hypothesis draws the same cases every time, so that a run says the same twice.

`HYPOTHESIS_PROFILE=explore python -m pytest` draws new ones.
"""

import os

from hypothesis import settings

settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))
