"""Defines the fully connected layer."""

from convcalc.arguments import Integer
from convcalc.layers.base import Reach, StatedChannels
from convcalc.layers.mixins import SumOfProducts
from convcalc.problems import Flaw
from convcalc.shape import Shape


class Linear(SumOfProducts):
    """Fully connected layer: every output feature depends on every input feature of a vector, or of a token.

    On tokens C×N, the same matrix applies to every token. PyTorch's nn.Linear expects N×C.

    Output: a vector of out_features, or out_features×N for tokens.
    Params: out_features × in_features, + out_features with bias.
    Counted: in_features multiplications per output value, which are the MACs: out_features × in_features for a vector,
    N × out_features × in_features for tokens; in_features - 1 additions per output value, + 1 with bias.
    Source: torch.nn.Linear.
    Example on [512]: linear: {out_features: 1000}
    """

    kind = "linear"
    main = "out_features"
    out_features = Integer("output features", required=True)
    in_features = StatedChannels("expected input features; only checked against the input")

    def inferred_shape(self) -> Shape:
        """Return the output shape: out_features, for every token; raises `Flaw` for a map with several axes."""
        if self.input.axes > 1:
            raise Flaw(
                f"linear needs a vector or tokens (C×N), but its input is {self.input}",
                "add flatten or tokens before it, or use pointwise_conv, a linear layer at every position",
                code="CV016",
            )
        return Shape(self.out_features, self.input.spatial)

    def reach(self) -> Reach:
        """Return `everything` for a vector, and `same` for tokens: an output depends on all features of its token."""
        return "same" if self.input.axes else "everything"

    def products(self) -> int:
        """Return the number of products per output value: in_features."""
        return self.input.channels
