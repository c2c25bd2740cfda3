"""Lists the names of the metrics that a budget, options and settings can limit, such as `params` and `peak_memory`.

It imports nothing, because the command line needs the names before it knows whether it needs more than `--help`.
"""

COUNTS = ("params", "macs", "flops", "multiplications", "layers")
MEMORY = ("weight_memory", "activation_memory", "peak_memory")
PER_OUTPUT = ("receptive_field", "output_shape")
OF_NETWORK = (*COUNTS, *MEMORY)  # whole numbers that depend on no device
DEVICE = ("arena", "flash")  # the memory of microcontrollers, which depends on the runtime
LATENCY = "latency"  # in nanoseconds, on a device
MEASURED = (*DEVICE, LATENCY)  # metrics that depend on a runtime or a device
RANKED = (*OF_NETWORK, *MEASURED)  # metrics by which `convcalc fit` can rank networks
METRICS = (*RANKED, *PER_OUTPUT)
LIMITED = (*RANKED, "receptive_field")  # metrics that options such as --max-params and settings can limit
PER_LAYER = tuple(metric for metric in OF_NETWORK if metric not in ("layers", "peak_memory"))
