"""The design space of a network: the networks that its spec describes for many values of its parameters."""
