"""The design space of a network: all the networks that its spec parameters can describe."""
