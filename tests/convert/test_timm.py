"""Networks of timm that nobody wrote for this: their params and MACs are PyTorch's, and the reports are complete.

Needs the extra `zoo`. Each network has the input size for which timm configures it.
"""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import convcalc
from tests.support.torchvision_operators import define_missing_operators

# at least one network per family, and a small one; most are convolutional, some also attend or mix tokens
NAMES = [
    "botnet26t_256", "caformer_s18", "coatnet_pico_rw_224", "convformer_s18", "convmixer_768_32", "convnext_atto",
    "convnext_zepto_rms", "convnextv2_atto", "cpubone_nano", "cs3darknet_focus_s", "csatv2", "cspnext_tiny",
    "darknet17", "densenet121", "dla34", "dla46_c", "dpn48b", "edgenext_xx_small", "efficientformer_l1",
    "efficientformerv2_s0", "efficientnet_lite0", "efficientvim_m1", "efficientvit_b0", "efficientvit_m0",
    "ese_vovnet19b_slim_dw", "fasternet_t0", "fastvit_t8", "fbnetc_100", "focalnet_tiny_srf", "gernet_s",
    "ghostnet_050", "ghostnetv2_100", "ghostnetv3_050", "halonet26t", "hardcorenas_a", "hgnet_tiny", "hgnetv2_b0",
    "hrnet_w18_small", "iformer_s", "inception_next_atto", "lcnet_035", "lcnetv2_small", "legacy_seresnet18",
    "levit_128s", "lowformer_b0", "mambaout_femto", "mixnet_s", "mnasnet_small", "mobilenet_edgetpu_v2_xs",
    "mobilenetv1_100", "mobilenetv2_035", "mobilenetv3_small_050", "mobilenetv4_conv_small_035", "mobileone_s0",
    "mobilevit_xxs", "mobilevitv2_050", "mvitv2_tiny", "nest_tiny", "nf_regnet_b0", "nf_seresnet26",
    "poolformer_s12", "poolformerv2_s12", "pvt_v2_b0", "rdnet_tiny", "regnetx_002", "regnety_002",
    "regnety_040_sgn", "repghostnet_050", "repvgg_a0", "repvit_m0_9", "resnest14d", "resnet10t", "resnetv2_18",
    "resnext26ts", "rexnet_100", "selecsls42", "semnasnet_075", "shvit_s1", "skresnet18", "starnet_s050",
    "swiftformer_xs", "tiny_vit_5m_224", "tinynet_e", "vgg11", "visformer_tiny",
]  # fmt: skip

# those whose report is not complete, and what is missing
INCOMPLETE = {
    "csatv2": "the field of its output; and it multiplies queries (batch, 49) by the transposed keys, which mixes "
    "the samples of a batch, so that its MACs per sample grow with the batch: 98 × 35 at a batch of 1"
}


def build(name: str) -> Any:
    """The network on the meta device. Skips the test if timm cannot be imported."""
    import torch

    define_missing_operators()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import timm
        except (ImportError, RuntimeError) as error:
            pytest.skip(f"timm cannot be imported (pip install 'convcalc[zoo]'): {error}")
        with torch.device("meta"):
            return timm.create_model(name).eval()


def count_macs(module: Any, shape: tuple[int, ...]) -> int:
    """PyTorch's MACs for one sample."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    module.requires_grad_(False)  # the counter requires gradients of modules that get tuples
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.empty(1, *shape))
    total: int = counter.get_total_flops()
    assert total % 2 == 0
    return total // 2


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")  # those of timm and PyTorch about their own code
@pytest.mark.parametrize("name", NAMES)
def test_a_network_has_the_params_and_macs_of_pytorch(name: str) -> None:
    module = build(name)
    shape = tuple(module.pretrained_cfg["input_size"])
    report = convcalc.analyse(convcalc.from_torch(module, shape))
    assert report.totals.params == sum(parameter.numel() for parameter in module.parameters())
    if name in INCOMPLETE:
        assert not report.complete, f"{name} is now complete: remove it from INCOMPLETE"
        return
    assert report.totals.macs == count_macs(module, shape)
    assert report.complete, [layer.name for layer in report.layers if layer.macs is None]


def test_the_families_are_many_and_what_is_incomplete_is_listed() -> None:
    assert len(NAMES) == len(set(NAMES)) >= 60
    assert set(INCOMPLETE) <= set(NAMES)
