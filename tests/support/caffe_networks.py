"""Caffe networks in its text format, written from the tables of the papers by functions that know no shapes."""

INCEPTIONS = {  # Szegedy et al. 2015, table 1: 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool proj
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def net(*layers: str, shape: tuple[int, ...] = (3, 8, 8), batch: int = 1) -> str:
    """A network with one input and these layers, which are texts such as those of `layer`."""
    dims = " ".join(f"dim: {size}" for size in (batch, *shape))
    return layer("Input", "", "data", f"input_param {{ shape: {{ {dims} }} }}") + "".join(layers)


def layer(kind: str, bottom: str, top: str, more: str = "", name: str = "") -> str:
    """A layer. `bottom` and `top` are names of blobs, separated by blanks."""
    blobs = "".join(f'  bottom: "{blob}"\n' for blob in bottom.split())
    blobs += "".join(f'  top: "{blob}"\n' for blob in top.split())
    return f'layer {{\n  name: "{name or top.split(" ")[0]}"\n  type: "{kind}"\n{blobs}  {more}\n}}\n'


class Writer:
    """Writes layers one after the other; `last` is the blob that the next layer reads."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.layers: list[str] = []
        self.shape = shape
        self.last = "data"
        self.number = 0

    def text(self) -> str:
        return net(*self.layers, shape=self.shape)

    def add(self, kind: str, more: str = "", *others: str, in_place: bool = False) -> str:
        self.number += 1
        top = self.last if in_place else f"blob{self.number}"
        name = f"{kind.lower()}{self.number}"
        self.layers.append(layer(kind, " ".join((self.last, *others)), top, more, name))
        self.last = top
        return top

    def conv(self, filters: int, size: int, more: str = "", bias: bool = True) -> str:
        options = f"num_output: {filters} kernel_size: {size} {more} {'' if bias else 'bias_term: false'}"
        return self.add("Convolution", f"convolution_param {{ {options} }}")

    def conv_relu(self, filters: int, size: int, more: str = "") -> str:
        self.conv(filters, size, more)
        return self.relu()

    def conv_norm(self, filters: int, size: int, more: str = "", relu: bool = True, bias: bool = False) -> str:
        self.conv(filters, size, more, bias)
        self.norm()
        return self.relu() if relu else self.last

    def norm(self) -> None:
        self.add("BatchNorm", "batch_norm_param { use_global_stats: true }", in_place=True)
        self.add("Scale", "scale_param { bias_term: true }", in_place=True)

    def relu(self) -> str:
        return self.add("ReLU", in_place=True)

    def pool(self, size: int, stride: int, more: str = "", method: str = "MAX") -> str:
        options = f"pool: {method} kernel_size: {size} stride: {stride} {more}"
        return self.add("Pooling", f"pooling_param {{ {options} }}")

    def pool_globally(self) -> str:
        return self.add("Pooling", "pooling_param { pool: AVE global_pooling: true }")

    def linear(self, features: int) -> str:
        return self.add("InnerProduct", f"inner_product_param {{ num_output: {features} }}")

    def dropped_linear(self, features: int) -> None:
        self.linear(features)
        self.relu()
        self.add("Dropout", "dropout_param { dropout_ratio: 0.5 }", in_place=True)


def lenet() -> str:
    """LeNet as in Caffe's tutorial on MNIST."""
    write = Writer((1, 28, 28))
    write.conv(20, 5)
    write.pool(2, 2)
    write.conv(50, 5)
    write.pool(2, 2)
    write.linear(500)
    write.relu()
    write.linear(10)
    write.add("Softmax")
    return write.text()


def caffenet() -> str:
    """Krizhevsky, Sutskever and Hinton 2012, section 3.5, whose second, fourth and fifth layers have two groups."""
    write = Writer((3, 227, 227))
    write.conv_relu(96, 11, "stride: 4")
    write.pool(3, 2)
    write.add("LRN", "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")
    write.conv_relu(256, 5, "pad: 2 group: 2")
    write.pool(3, 2)
    write.add("LRN", "lrn_param { local_size: 5 }")
    write.conv_relu(384, 3, "pad: 1")
    write.conv_relu(384, 3, "pad: 1 group: 2")
    write.conv_relu(256, 3, "pad: 1 group: 2")
    write.pool(3, 2)
    write.dropped_linear(4096)
    write.dropped_linear(4096)
    write.linear(1000)
    write.add("Softmax")
    return write.text()


def vgg16() -> str:
    """Simonyan and Zisserman 2015, table 1, column D."""
    write = Writer((3, 224, 224))
    for filters, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            write.conv_relu(filters, 3, "pad: 1")
        write.pool(2, 2)
    write.dropped_linear(4096)
    write.dropped_linear(4096)
    write.linear(1000)
    return write.text()


def googlenet() -> str:
    """Szegedy et al. 2015, table 1, whose poolings round up."""
    write = Writer((3, 224, 224))
    write.conv_relu(64, 7, "stride: 2 pad: 3")
    write.pool(3, 2)
    write.add("LRN")
    write.conv_relu(64, 1)
    write.conv_relu(192, 3, "pad: 1")
    write.add("LRN")
    write.pool(3, 2)
    for name, (one, reduce3, three, reduce5, five, projected) in INCEPTIONS.items():
        source, parts = write.last, [write.conv_relu(one, 1)]
        for reduced, filters, size in ((reduce3, three, 3), (reduce5, five, 5)):
            write.last = source
            write.conv_relu(reduced, 1)
            parts.append(write.conv_relu(filters, size, f"pad: {size // 2}"))
        write.last = source
        write.pool(3, 1, "pad: 1")
        parts.append(write.conv_relu(projected, 1))
        write.last = parts[0]
        write.add("Concat", "", *parts[1:])
        if name in ("3b", "4e"):
            write.pool(3, 2)
    write.pool(7, 1, method="AVE")
    write.linear(1000)
    return write.text()


def resnet50() -> str:
    """He et al. 2016, table 1, with the stride in the first 1×1 convolution, and a bias in the first layer."""
    write = Writer((3, 224, 224))
    write.conv_norm(64, 7, "stride: 2 pad: 3", bias=True)
    write.pool(3, 2)
    for stage, (filters, count) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for place in range(count):
            stride = f"stride: {2 if stage and not place else 1}"
            source = shortcut = write.last
            if not place:
                shortcut = write.conv_norm(4 * filters, 1, stride, relu=False)
            write.last = source
            write.conv_norm(filters, 1, stride)
            write.conv_norm(filters, 3, "pad: 1")
            write.conv_norm(4 * filters, 1, relu=False)
            write.add("Eltwise", "", shortcut)
            write.relu()
    write.pool(7, 1, method="AVE")
    write.linear(1000)
    return write.text()


def squeezenet(version: int) -> str:
    """Iandola et al. 2016, table 1, and version 1.1 of its authors' repository."""
    write = Writer((3, 227, 227))
    write.conv_relu(*((96, 7, "stride: 2") if version == 0 else (64, 3, "stride: 2")))
    write.pool(3, 2)
    fires = [(16, 64)] * 2 + [(32, 128)] * 2 + [(48, 192)] * 2 + [(64, 256)] * 2
    for place, (squeezed, expanded) in enumerate(fires, start=2):
        write.conv_relu(squeezed, 1)
        source, first = write.last, write.conv_relu(expanded, 1)
        write.last = source
        second = write.conv_relu(expanded, 3, "pad: 1")
        write.last = first
        write.add("Concat", "", second)
        if place in ((4, 8), (3, 5))[version]:
            write.pool(3, 2)
    write.add("Dropout", in_place=True)
    write.conv_relu(1000, 1, "" if version else "pad: 1")  # as in the file of the authors
    write.pool_globally()
    return write.text()


def mobilenet() -> str:
    """Howard et al. 2017, table 1."""
    write = Writer((3, 224, 224))
    write.conv_norm(32, 3, "stride: 2 pad: 1")
    channels = 32
    rows = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for filters, stride in rows:
        write.conv_norm(channels, 3, f"pad: 1 stride: {stride} group: {channels}")
        write.conv_norm(filters, 1)
        channels = filters
    write.pool_globally()
    write.conv(1000, 1)
    return write.text()


def densenet121() -> str:
    """Huang et al. 2017, table 1."""
    write = Writer((3, 224, 224))
    write.conv_norm(64, 7, "stride: 2 pad: 3")
    write.pool(3, 2, "pad: 1 ceil_mode: false")
    channels = 64
    for block, count in enumerate((6, 12, 24, 16)):
        for _ in range(count):
            source = write.last
            write.add("BatchNorm")
            write.add("Scale", "scale_param { bias_term: true }", in_place=True)
            write.relu()
            write.conv_norm(128, 1)
            added = write.conv(32, 3, "pad: 1", bias=False)
            write.last = source
            write.add("Concat", "", added)
            channels += 32
        write.norm()
        write.relu()
        if block < 3:
            channels //= 2
            write.conv(channels, 1, bias=False)
            write.pool(2, 2, method="AVE")
    write.pool_globally()
    write.linear(1000)
    return write.text()
