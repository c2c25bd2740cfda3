"""Defines Keras layers for layer kinds that Keras has no layer for.

`to_keras` copies the classes that a network needs into the exported file. Nothing here is imported by convcalc.
"""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="convcalc")
class Scale(layers.Layer):
    """Multiplies each channel by a learnt scale."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

    def call(self, inputs):
        return inputs * self.scale


@keras.saving.register_keras_serializable(package="convcalc")
class Shift(layers.Layer):
    """Adds a learnt amount to each channel."""

    def build(self, input_shape):
        self.shift = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="shift")

    def call(self, inputs):
        return inputs + self.shift


@keras.saving.register_keras_serializable(package="convcalc")
class Learnt(layers.Layer):
    """A learnt tensor, the same for every sample; only the batch size of its input is used."""

    def __init__(self, shape, **options):
        super().__init__(**options)
        self.shape = tuple(shape)

    def build(self, input_shape):
        self.value = self.add_weight(shape=self.shape, initializer="zeros", name="value")

    def call(self, inputs):
        return ops.broadcast_to(self.value, (ops.shape(inputs)[0], *self.shape))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.shape)

    def get_config(self):
        return {**super().get_config(), "shape": self.shape}


@keras.saving.register_keras_serializable(package="convcalc")
class GlobalResponseNorm(layers.Layer):
    """Global response normalisation, Woo et al. 2023.

    x + bias + scale × x × g / (mean of g over the channels)
    """

    def build(self, input_shape):
        shape = (input_shape[-1],)
        self.scale = self.add_weight(shape=shape, initializer="zeros", name="scale")
        self.bias = self.add_weight(shape=shape, initializer="zeros", name="bias")

    def call(self, inputs):
        axes = tuple(range(1, len(inputs.shape) - 1))
        norm = ops.sqrt(ops.sum(ops.square(inputs), axis=axes, keepdims=True))
        scaled = inputs * norm / (ops.mean(norm, axis=-1, keepdims=True) + 1e-6)
        return inputs + self.bias + self.scale * scaled


@keras.saving.register_keras_serializable(package="convcalc")
class LocalResponseNorm(layers.Layer):
    """Local response normalisation with alpha = 0.0001, beta = 0.75 and k = 1, as in torch.nn.LocalResponseNorm."""

    def __init__(self, size, **options):
        super().__init__(**options)
        self.size = size

    def call(self, inputs):
        channels, rank = inputs.shape[-1], len(inputs.shape)
        around = [[0, 0]] * (rank - 1) + [[self.size // 2, (self.size - 1) // 2]]
        squares = ops.pad(ops.square(inputs), around)
        total = sum(squares[..., start : start + channels] for start in range(self.size))
        return inputs / (1 + 0.0001 * total / self.size) ** 0.75

    def get_config(self):
        return {**super().get_config(), "size": self.size}
