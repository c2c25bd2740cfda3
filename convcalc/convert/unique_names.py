"""Names layers exactly as the file names its operations, for formats in which people choose these names."""


class UniqueNames:
    """Assigns each layer the name of its operation, with a number if another layer has that name."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.numbers: dict[str, int] = {}

    def reserve(self, name: str) -> None:
        """Keep a name from being assigned to a layer."""
        self.taken.add(name)

    def release(self, name: str) -> None:
        """Allow a name to be assigned again."""
        self.taken.discard(name)

    def assign(self, node: str, kind: str, roots: tuple[str, ...]) -> str:
        """Return an unused name for the layer of an operation named `node`."""
        wanted = candidate = node or kind
        while candidate in self.taken:
            self.numbers[wanted] = self.numbers.get(wanted, 1) + 1
            candidate = f"{wanted}_{self.numbers[wanted]}"
        self.taken.add(candidate)
        return candidate
