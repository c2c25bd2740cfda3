"""Names the runtimes for which memory is computed; `runtimes` has their rules."""

RUNTIME_NAMES = ("tflm-reference", "tflm-cmsis-dsp", "tflm-cmsis-mve", "tinyengine", "liveness")
DEFAULT_RUNTIME = RUNTIME_NAMES[0]
