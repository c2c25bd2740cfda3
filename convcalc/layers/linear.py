"""The fully connected layer."""

from convcalc.keys import Integer
from convcalc.layers.base import Reach, StatedChannels, SumOfProducts
from convcalc.problems import Flaw
from convcalc.shape import Shape


class Linear(SumOfProducts):
    """Fully connected layer: every output feature reads every input feature.

    Output: a vector of out_features; the input must be a vector.
    Params: out_features × in_features, + out_features with bias.
    Counted: out_features × in_features multiplications, which are the MACs; in_features - 1 additions an output
    feature, + 1 with bias.
    Source: torch.nn.Linear.
    Example on [512]: linear: {out_features: 1000}
    """

    kind = "linear"
    out_features = Integer("features of the output", required=True)
    in_features = StatedChannels("features of the input, checked where it is stated")

    def inferred_shape(self) -> Shape:
        """A vector."""
        if self.input.spatial:
            raise Flaw(
                f"linear reads a vector, but its input is {self.input}",
                "add flatten before it, or use pointwise_conv, which is linear at every position",
                code="CV016",
            )
        return Shape(self.out_features)

    def reach(self) -> Reach:
        """All features."""
        return "everything"

    def products(self) -> int:
        """in_features."""
        return self.input.channels
