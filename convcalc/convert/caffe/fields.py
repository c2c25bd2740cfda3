"""Reads the fields of a Caffe message as numbers, words and lists, and reports those that are unknown or malformed.

Source of the names and defaults: src/caffe/proto/caffe.proto in github.com/BVLC/caffe, and the messages that
github.com/weiliu89/caffe (SSD), github.com/alexgkendall/caffe-segnet and github.com/hszhao/PSPNet add.
"""

import math
from collections.abc import Collection, Sequence
from typing import TypeVar

from convcalc.convert.caffe.text_format import Field, Message, Scalar
from convcalc.convert.text_files import Mistake
from convcalc.problems import did_you_mean, join_words, show
from convcalc.spec.document import Extent

_Value = TypeVar("_Value", Message, Scalar)

MOST_DIGITS = 9  # of an integer in the file
_PER_AXIS = "pad kernel_size stride"
_FILLED = "weight_filler bias_filler bias_term num_output"
_FIELDS = {  # by message, the fields that it may have
    "argmax_param": "out_max_val top_k axis",
    "batch_norm_param": "use_global_stats moving_average_fraction eps scale_bias scale_filler bias_filler",
    "bias_param": "axis num_axes filler",
    "clip_param": "min max",
    "concat_param": "axis concat_dim",
    "convolution_param": f"{_FILLED} {_PER_AXIS} dilation pad_h pad_w kernel_h kernel_w stride_h stride_w group engine "
    "axis force_nd_im2col dilation_h dilation_w hole hole_h hole_w",
    "crop_param": "axis offset",
    "dropout_param": "dropout_ratio scale_train sample_weights_test",
    "dummy_data_param": "data_filler shape num channels height width refill",
    "eltwise_param": "operation coeff stable_prod_grad",
    "elu_param": "alpha",
    "embed_param": f"{_FILLED} input_dim",
    "exp_param": "base scale shift",
    "flatten_param": "axis end_axis",
    "inner_product_param": f"{_FILLED} axis transpose",
    "input_param": "shape",
    "interp_param": "height width zoom_factor shrink_factor pad_beg pad_end use_blob_size",
    "log_param": "base scale shift",
    "lrn_param": "local_size alpha beta norm_region k engine",
    "memory_data_param": "batch_size channels height width",
    "mvn_param": "normalize_variance across_channels eps",
    "norm_param": "across_spatial scale_filler channel_shared eps",
    "permute_param": "order",
    "pooling_param": f"pool {_PER_AXIS} pad_h pad_w kernel_h kernel_w stride_h stride_w engine global_pooling "
    "round_mode ceil_mode",
    "power_param": "power scale shift",
    "prelu_param": "filler channel_shared",
    "prior_box_param": "min_size max_size aspect_ratio flip clip variance img_size img_h img_w step step_h step_w "
    "offset",
    "psroi_pooling_param": "spatial_scale output_dim group_size",
    "reduction_param": "operation axis coeff",
    "relu_param": "negative_slope engine",
    "reshape_param": "shape axis num_axes",
    "roi_pooling_param": "pooled_h pooled_w spatial_scale",
    "scale_param": "axis num_axes filler bias_term bias_filler",
    "shuffle_channel_param": "group",
    "slice_param": "axis slice_point slice_dim",
    "softmax_param": "engine axis",
    "spp_param": "pyramid_height pool engine",
    "swish_param": "beta",
    "threshold_param": "threshold",
    "tile_param": "axis tiles",
    "upsample_param": "scale scale_h scale_w pad_out_h pad_out_w upsample_h upsample_w height width mode",
}
_TRUE, _FALSE = frozenset({"true", "t", "1", "True"}), frozenset({"false", "f", "0", "False"})


class Fields:
    """The fields of a message. Of several fields with one name, the last counts, unless a list is read."""

    def __init__(self, message: Message, name: str, extent: Extent) -> None:
        self.message = message
        self.name = name
        self.extent = extent  # where a missing field is reported

    def check_names(self, known: Collection[str]) -> None:
        """Raise Mistake if there is a field that is not in `known`."""
        for field in self.message.fields:
            if field.name not in known:
                hint = did_you_mean(field.name, sorted(known))
                raise Mistake(f"unknown field {field.name} of {self.name}", field.extent, hint, "CV010")

    def has(self, name: str) -> bool:
        """Whether a field is given."""
        return any(field.name == name for field in self.message.fields)

    def list_messages(self, name: str) -> list[Message]:
        """Return the values of all fields `name`. Raises Mistake if one of them is not a message."""
        return self._list_values(name, Message, f"a message: {name} {{ … }}")

    def read_fields(self, name: str) -> "Fields":
        """Return the fields of the message `name`, whose fields are checked; no fields if it is not given.

        Parts of a message that is given several times are merged.
        """
        parts = self.list_messages(name)
        fields = tuple(field for part in parts for field in part.fields)
        extent = next((field.extent for field in self.message.fields if field.name == name), self.extent)
        found = Fields(Message(fields, extent), name, extent)
        if name in _FIELDS:
            found.check_names(_FIELDS[name].split())
        return found

    def list_scalars(self, name: str) -> list[Scalar]:
        """Return the values of all fields `name`. Raises Mistake if one of them is a message."""
        return self._list_values(name, Scalar, "a value, not a message")

    def _list_values(self, name: str, sort: type[_Value], expected: str) -> list[_Value]:
        found = []
        for field in self.message.fields:
            if field.name == name:
                if not isinstance(field.value, sort):
                    raise Mistake(f"{name} must be {expected}", field.value.extent)
                found.append(field.value)
        return found

    def list_texts(self, name: str) -> list[str]:
        """Return the texts of all fields `name`."""
        return [scalar.text for scalar in self.list_scalars(name)]

    def list_integers(self, name: str, least: int = 0) -> list[int]:
        """Return the integers of all fields `name`. Raises Mistake if one of them is smaller than `least`."""
        return [_read_integer(name, scalar, least) for scalar in self.list_scalars(name)]

    def read_integer(self, name: str, default: int | None = None, least: int = 0) -> int:
        """Return an integer. Raises Mistake if it is smaller than `least`, or if it is missing without a default."""
        found = self.list_scalars(name)
        if not found and default is None:
            raise Mistake(f"{self.name} needs {name}", self.extent, code="CV012")
        return _read_integer(name, found[-1], least) if found else int(default or 0)

    def read_number(self, name: str, default: float) -> float:
        """Return a finite number, or its default if it is missing."""
        found = self.list_scalars(name)
        return read_number(name, found[-1]) if found else default

    def read_boolean(self, name: str, default: bool) -> bool:
        """Return whether a field is true, or its default if it is missing."""
        found = self.list_scalars(name)
        if not found:
            return default
        if found[-1].text not in _TRUE | _FALSE:
            raise Mistake(f"{name} must be true or false; got {show(found[-1].text)}", found[-1].extent)
        return found[-1].text in _TRUE

    def choose(self, name: str, words: Sequence[str]) -> str:
        """Return a field that is one of `words`, or the number of one; the first of them if the field is missing."""
        found = self.list_scalars(name)
        if not found:
            return words[0]
        text = found[-1].text
        if text in words:
            return text
        if text.isdecimal() and len(text) < MOST_DIGITS and int(text) < len(words):
            return words[int(text)]
        raise Mistake(
            f"{name} must be {join_words(words)}; got {show(text)}", found[-1].extent, did_you_mean(text, words)
        )

    def find(self, name: str) -> Extent:
        """Return the extent of the last value of a field; that of the message's name if the field is not given."""
        found: list[Field] = [field for field in self.message.fields if field.name == name]
        return found[-1].value.extent if found else self.extent


def _read_integer(name: str, scalar: Scalar, least: int) -> int:
    text = scalar.text
    digits = text.lstrip("+-")
    if not digits.isdecimal() or len(digits) > MOST_DIGITS or scalar.quoted or int(text) < least:
        expected = "an integer" if least < 0 else "a positive integer" if least else "a non-negative integer"
        message = f"{name} must be {expected} of at most {MOST_DIGITS} digits; got {show(text)}"
        raise Mistake(message, scalar.extent)
    return int(text)


def read_number(name: str, scalar: Scalar) -> float:
    """Return a value as a number. Raises Mistake if it is not a finite number."""
    try:
        number = float(scalar.text.rstrip("fF") if not scalar.quoted else "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Mistake(f"{name} must be a number; got {show(scalar.text)}", scalar.extent)
    return number
