"""Adds the heads of Ultralytics networks: Detect, Segment, Pose, OBB, Classify, and their variants.

The outputs of a detection head are its boxes and scores at inference, one map per level; the package also concatenates
the positions of all levels, so 84×80×80, 84×40×40 and 84×20×20 are 84×8400 there. A head that works end to end has two
sets of branches, of which the first is for training; the package computes both, and so does the imported network. Parts
that run only in training are opaque, with their params and without cost.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

from convcalc.convert.ultralytics.convolutions import Sizes, add_conv, add_dw_conv, convolve
from convcalc.convert.ultralytics.scope import Scope, Tensor
from convcalc.problems import Flaw

_SIDES = 4  # of a box
_CLASSIFIER_CHANNELS = 1280
_FLOW_PARAMS = 12 * (2 * 64 + 64 + 64 * 64 + 64 + 64 * 2 + 2)  # RealNVP: 6 couplings of two networks 2-64-64-2


class HeadStyle(NamedTuple):
    """What detection heads depend on besides their arguments.

    `bins` is the number of bins in the distribution of a box side, `end2end` whether the head has a second set of
    branches, and `light` whether the branch for the scores has depthwise convolutions, as in YOLOv10 and later.
    """

    bins: int
    end2end: bool
    light: bool


class _Extra(NamedTuple):
    """What a head predicts in addition to boxes and scores.

    `predict` adds the layers that predict it from a feature map; its string is a prefix for the layer names. `decode`
    adds the layers that turn the prediction into an output.
    """

    predict: Callable[[Scope, str, int, Tensor], Tensor]
    decode: Callable[[Scope, int, Tensor], Tensor]


def add_detect(at: Scope, xs: Sequence[Tensor], nc: int, *, style: HeadStyle) -> list[Tensor]:
    """Add a head that predicts boxes and scores; return one output for each feature map in `xs`."""
    return _add_boxes(at, xs, nc, style)


def add_v10_detect(at: Scope, xs: Sequence[Tensor], nc: int) -> list[Tensor]:
    """Add the head of YOLOv10, which always has a second set of branches, as with `end2end`."""
    return _add_boxes(at, xs, nc, HeadStyle(bins=16, end2end=True, light=True))


def _add_boxes(
    at: Scope, xs: Sequence[Tensor], nc: int, style: HeadStyle, extra: _Extra | None = None, rotated: bool = False
) -> list[Tensor]:
    """Add branches for boxes, scores and `extra` to each feature map in `xs`, and return the outputs.

    If `rotated` is set, `extra` is the angle of a box.
    """
    channels = xs[0].shape.channels
    box_channels = max(16, channels // 4, _SIDES * style.bins)
    score_channels = max(channels, min(nc, 100))
    add_scores = _add_light_scores if style.light else add_stack
    outputs: list[Tensor] = []
    predicted: list[list[Tensor]] = []
    for prefix in ("", "one2one_") if style.end2end else ("",):
        outputs += [tensor for level in predicted for tensor in level]
        predicted = []
        for level, x in enumerate(xs):
            box = add_stack(at.inner(f"{prefix}cv2", level), x, box_channels, _SIDES * style.bins)
            scores = add_scores(at.inner(f"{prefix}cv3", level), x, score_channels, nc)
            more = [extra.predict(at, prefix, level, x)] if extra else []
            predicted.append([box, scores, *more])
    for level, (box, scores, *more) in enumerate(predicted):
        if style.bins > 1:
            box = _add_expected_sides(at, level, box, style.bins)
        more = [extra.decode(at, level, tensor) for tensor in more if extra]
        box = _decode_boxes(at, level, box, more if rotated else [])
        outputs.append(at.concatenate(f"level.{level}", box, at.add(f"scores.{level}", "sigmoid", scores), *more))
    return outputs


def add_stack(at: Scope, x: Tensor, hidden: int, channels: int) -> Tensor:
    """Add two 3×3 convolutions, then a 1×1 convolution with bias."""
    y = add_conv(at.inner(1), add_conv(at.inner(0), x, hidden, 3), hidden, 3)
    return convolve(at, "2", y, channels, bias=True)


def _add_light_scores(at: Scope, x: Tensor, hidden: int, channels: int) -> Tensor:
    """Add a depthwise and a 1×1 convolution, the same again, then a 1×1 convolution with bias."""
    for index in range(2):
        pair = at.inner(index)
        x = add_conv(pair.inner(1), add_dw_conv(pair.inner(0), x, x.shape.channels, 3), hidden)
    return convolve(at, "2", x, channels, bias=True)


def _add_expected_sides(at: Scope, level: int, box: Tensor, bins: int) -> Tensor:
    """Add the expected value of each box side.

    Its weights are the constants 0, 1, …, which are not trained. All levels share them, so only the first level counts
    them as params.
    """
    values = box.shape.elements
    return at.add(
        f"dfl.{level}",
        "opaque",
        box,
        frozen=level == 0,
        output_shape=[_SIDES, *box.shape.spatial],
        params=0 if level else bins,
        macs=values,
        multiplications=2 * values,  # the softmax, and the products
        additions=2 * values - values // bins,
        receptive_field="same",
        what="expected box sides",
    )


def _decode_boxes(at: Scope, level: int, box: Tensor, angle: Sequence[Tensor]) -> Tensor:
    """Add the conversion of the distances of four box sides to the centre, width and height of a box in pixels."""
    positions = prod(box.shape.spatial)
    return _add_decoding(at, f"boxes.{level}", [box, *angle], _SIDES, (10 if angle else 6) * positions, 8 * positions)


def _add_decoding(
    at: Scope, name: str, reads: Sequence[Tensor], channels: int, multiplications: int, additions: int
) -> Tensor:
    return at.add(
        name,
        "opaque",
        *reads,
        output_shape=[channels, *reads[0].shape.spatial],
        macs=0,
        multiplications=multiplications,
        additions=additions,
        receptive_field="same",
        what="decoding",
    )


def _add_training_part(at: Scope, name: str, x: Tensor, params: int) -> None:
    """Add the params of a part of the head that runs only in training."""
    free: dict[str, Any] = {"macs": 0, "multiplications": 0, "additions": 0, "receptive_field": "all"}
    at.add(name, "opaque", x, output_shape=[1], params=params, what="only used in training", **free)


# -- masks


def add_segment(
    at: Scope, xs: Sequence[Tensor], nc: int, nm: int = 32, npr: int = 256, *, style: HeadStyle
) -> list[Tensor]:
    """Add a head that predicts boxes, the coefficients of their masks, and the prototypes of the masks."""
    return [*_add_mask_boxes(at, xs, nc, style, nm), _add_prototypes(at.inner("proto"), xs[0], npr, nm)]


def _add_mask_boxes(at: Scope, xs: Sequence[Tensor], nc: int, style: HeadStyle, masks: int) -> list[Tensor]:
    hidden = max(xs[0].shape.channels // 4, masks)
    return _add_boxes(at, xs, nc, style, _predict_stack(hidden, masks, lambda at, level, x: x))


def _predict_stack(hidden: int, channels: int, decode: Callable[[Scope, int, Tensor], Tensor]) -> _Extra:
    """Return an extra prediction that a stack of convolutions, `cv4`, makes from each feature map."""
    return _Extra(lambda at, prefix, level, x: add_stack(at.inner(f"{prefix}cv4", level), x, hidden, channels), decode)


def _add_prototypes(at: Scope, x: Tensor, hidden: int, masks: int) -> Tensor:
    y = add_conv(at.inner("cv1"), x, hidden, 3)
    y = at.add("upsample", "conv_transpose", y, out_channels=hidden, kernel_size=2, stride=2, bias=True)
    return add_conv(at.inner("cv3"), add_conv(at.inner("cv2"), y, hidden, 3), masks)


def add_segment26(
    at: Scope, xs: Sequence[Tensor], nc: int, nm: int = 32, npr: int = 256, *, style: HeadStyle
) -> list[Tensor]:
    """Add the mask head of YOLO26, which computes the prototypes of masks from all feature maps in `xs`."""
    outputs = _add_mask_boxes(at, xs, nc, style, nm)
    inside = at.inner("proto")
    first = xs[0]
    features = [first]
    for index, x in enumerate(xs[1:]):
        y = add_conv(inside.inner("feat_refine", index), x, first.shape.channels)
        features.append(inside.add(f"resize.{index}", "upsample", y, size=list(first.shape.spatial)))
    fused = add_conv(inside.inner("feat_fuse"), inside.sum("add", *features), npr, 3)
    convolutions = 9 * first.shape.channels * npr + 9 * npr**2 + npr * nc
    _add_training_part(inside, "semseg", first, convolutions + 4 * npr + nc)
    return [*outputs, _add_prototypes(inside, fused, npr, nm)]


def add_semantic_segment(at: Scope, xs: Sequence[Tensor], nc: int) -> list[Tensor]:
    """Add a head that predicts the class of every position."""
    hidden = xs[0].shape.channels
    y = convolve(at.inner("classifier"), "1", add_conv(at.inner("classifier", 0), xs[0], hidden, 3), nc, bias=True)
    if len(xs) > 1:
        convolutions = 9 * xs[1].shape.channels * hidden + hidden * nc
        _add_training_part(at, "aux_head", xs[1], convolutions + 2 * hidden + nc)
    return [y]


# -- keypoints, rotated boxes, depth and classes


def add_pose(
    at: Scope, xs: Sequence[Tensor], nc: int, kpt_shape: tuple[int, ...] = (17, 3), *, style: HeadStyle
) -> list[Tensor]:
    """Add a head that predicts boxes and keypoints.

    `kpt_shape` has the number of keypoints and the number of values of each: 2 for coordinates, 3 with a visibility.
    """
    channels = _count_keypoint_values(at, kpt_shape)
    hidden = max(xs[0].shape.channels // 4, channels)

    def decode(at: Scope, level: int, x: Tensor) -> Tensor:
        positions = prod(x.shape.spatial)
        multiplications, additions = 4 * kpt_shape[0] * positions, 2 * kpt_shape[0] * positions
        return _add_decoding(at, f"keypoints.{level}", [x], channels, multiplications, additions + 2 * positions)

    return _add_boxes(at, xs, nc, style, _predict_stack(hidden, channels, decode))


def add_pose26(
    at: Scope, xs: Sequence[Tensor], nc: int, kpt_shape: tuple[int, ...] = (17, 3), *, style: HeadStyle
) -> list[Tensor]:
    """Add the keypoint head of YOLO26; only in training, it predicts deviations and runs a normalising flow."""
    channels = _count_keypoint_values(at, kpt_shape)
    deviations = 2 * kpt_shape[0]
    hidden = max(xs[0].shape.channels // 4, channels + deviations)

    def predict(at: Scope, prefix: str, level: int, x: Tensor) -> Tensor:
        inside = at.inner(f"{prefix}cv4", level)
        y = add_conv(inside.inner(1), add_conv(inside.inner(0), x, hidden, 3), hidden, 3)
        _add_training_part(at, f"{prefix}cv4_sigma.{level}", y, (hidden + 1) * deviations)
        return convolve(at, f"{prefix}cv4_kpts.{level}", y, channels, bias=True)

    def decode(at: Scope, level: int, x: Tensor) -> Tensor:
        operations = 2 * kpt_shape[0] * prod(x.shape.spatial)
        return _add_decoding(at, f"keypoints.{level}", [x], channels, operations, operations)

    outputs = _add_boxes(at, xs, nc, style, _Extra(predict, decode))
    _add_training_part(at, "flow_model", xs[0], _FLOW_PARAMS)
    return outputs


def _count_keypoint_values(at: Scope, keypoints: tuple[int, ...]) -> int:
    """Return the number of values of all keypoints; raises Flaw unless a keypoint has 2 or 3 values."""
    if len(keypoints) != 2 or keypoints[0] < 1 or keypoints[1] not in (2, 3):
        raise Flaw(f"{at.name}: kpt_shape must be [number of keypoints, 2 or 3]; got {list(keypoints)}")
    return keypoints[0] * keypoints[1]


def add_obb(at: Scope, xs: Sequence[Tensor], nc: int, ne: int = 1, *, style: HeadStyle) -> list[Tensor]:
    """Add a head that predicts rotated boxes."""

    def decode(at: Scope, level: int, x: Tensor) -> Tensor:
        values = x.shape.elements
        return _add_decoding(at, f"angle.{level}", [x], ne, values, values)

    return _add_boxes(at, xs, nc, style, _predict_angle(xs, ne, decode), rotated=True)


def add_obb26(at: Scope, xs: Sequence[Tensor], nc: int, ne: int = 1, *, style: HeadStyle) -> list[Tensor]:
    """Add the head of YOLO26 for rotated boxes, whose predicted angle is not decoded."""
    return _add_boxes(at, xs, nc, style, _predict_angle(xs, ne, lambda at, level, x: x), rotated=True)


def _predict_angle(xs: Sequence[Tensor], angles: int, decode: Callable[[Scope, int, Tensor], Tensor]) -> _Extra:
    return _predict_stack(max(xs[0].shape.channels // 4, angles), angles, decode)


def add_depth(at: Scope, xs: Sequence[Tensor], c_mid: int = 256) -> list[Tensor]:
    """Add a head that predicts the depth at every position; it merges the feature maps from coarse to fine."""
    projected = [add_conv(at.inner("proj", level), x, c_mid) for level, x in enumerate(xs)]
    y = projected.pop()
    for level, x in reversed(list(enumerate(projected))):
        y = at.add(f"resize.{level}", "upsample", y, size=list(x.shape.spatial), mode="bilinear")
        inside = at.inner("refine", level)
        y = add_conv(inside.inner(1), add_conv(inside.inner(0), inside.sum("add", x, y), c_mid, 3), c_mid, 3)
    inside = at.inner("head")
    half, quarter = c_mid // 2, c_mid // 4
    y = add_conv(inside.inner(0), y, half, 3)
    y = inside.add("1", "conv_transpose", y, out_channels=half, kernel_size=2, stride=2, bias=True)
    y = convolve(inside, "3", add_conv(inside.inner(2), y, quarter, 3), 1, bias=True)
    values = y.shape.elements
    return [
        at.add(
            "depth",
            "opaque",
            y,
            output_shape=list(y.shape.sizes),
            buffers=2,
            macs=0,
            multiplications=values,
            additions=values,
            receptive_field="same",
            what="exponential of a scale times the value plus a shift",
        )
    ]


def add_classify(
    at: Scope, x: Tensor, c2: int, k: Sizes = 1, s: Sizes = 1, p: Sizes | None = None, g: int = 1
) -> Tensor:
    """Add a 1×1 convolution, global pooling and a linear layer, and return the probabilities of the classes."""
    y = at.add("pool", "global_avgpool", add_conv(at.inner("conv"), x, _CLASSIFIER_CHANNELS, k, s, p, g))
    return at.add("softmax", "softmax", at.add("linear", "linear", at.add("flatten", "flatten", y), out_features=c2))
