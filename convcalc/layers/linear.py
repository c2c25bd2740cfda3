"""Defines the fully connected layer."""

from convcalc.arguments import Integer
from convcalc.layers.base import Reach, StatedChannels
from convcalc.layers.mixins import SumOfProducts
from convcalc.problems import Flaw
from convcalc.shape import Shape


class Linear(SumOfProducts):
    """Fully connected layer: every output feature depends on every input feature.

    Output: a vector of out_features; the input must be a vector.
    Params: out_features × in_features, + out_features with bias.
    Counted: out_features × in_features multiplications, which are the MACs; in_features - 1 additions per output
    feature, + 1 with bias.
    Source: torch.nn.Linear.
    Example on [512]: linear: {out_features: 1000}
    """

    kind = "linear"
    main = "out_features"
    out_features = Integer("output features", required=True)
    in_features = StatedChannels("expected input features; only checked against the input")

    def inferred_shape(self) -> Shape:
        """Return the output shape, a vector of out_features features; raises `Flaw` if the input is not a vector."""
        if self.input.spatial:
            raise Flaw(
                f"linear needs a vector, but its input is {self.input}",
                "add flatten before it, or use pointwise_conv, which applies a linear layer at every position",
                code="CV016",
            )
        return Shape(self.out_features)

    def reach(self) -> Reach:
        """Return `everything`: every output feature depends on every input feature."""
        return "everything"

    def products(self) -> int:
        """Return the number of products per output value: in_features."""
        return self.input.channels
