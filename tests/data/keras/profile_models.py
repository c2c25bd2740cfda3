"""Write down the operations that TensorFlow's profiler counts for the Keras models in this folder.

Needs `pip install tensorflow-cpu`; run as `KERAS_BACKEND=tensorflow python profile_models.py`. The numbers in
profile.json.gz were written by TensorFlow 2.21.0 with Keras 3.15.1. A model that TensorFlow cannot build is None.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2_as_graph

HERE = Path(__file__).parent
APPLICATIONS = sorted(HERE.glob("[A-Z]*.json.gz"))


def read(name: str) -> Any:
    return json.loads(gzip.decompress((HERE / f"{name}.json.gz").read_bytes()))


def count(described: dict[str, Any]) -> int | None:
    """Return the total of the profiler for one sample, with the variables of the model as constants."""
    keras.backend.clear_session()
    try:
        model = keras.models.model_from_json(json.dumps(described["keras"]))
        inputs = [tf.TensorSpec((1, *given.shape[1:]), given.dtype) for given in model.inputs]
        function = tf.function(lambda *values: model(list(values) if len(values) > 1 else values[0], training=False))
        _, definition = convert_variables_to_constants_v2_as_graph(function.get_concrete_function(*inputs))
        with tf.Graph().as_default() as graph:
            tf.graph_util.import_graph_def(definition, name="")
            profiler = tf.compat.v1.profiler
            options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
            found = profiler.profile(
                graph, run_meta=tf.compat.v1.RunMetadata(), cmd="op", options=options.with_empty_output().build()
            )
    except Exception as error:
        print(type(error).__name__, str(error)[:100])
        return None
    return int(found.total_float_ops)


if __name__ == "__main__":
    layers, graphs = read("layers"), read("graphs")
    counts: dict[str, Any] = {
        "layers": {index: count(layers[index]) for index in range(0, len(layers), 9)},  # a sample of all kinds
        "graphs": {name: count(described) for name, described in graphs.items()},
        "applications": {path.name.split(".")[0]: count(read(path.name.split(".")[0])) for path in APPLICATIONS},
    }
    data = json.dumps(counts, sort_keys=True).encode()
    (HERE / "profile.json.gz").write_bytes(gzip.compress(data, mtime=0))
