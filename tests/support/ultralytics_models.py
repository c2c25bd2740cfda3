"""Writes model YAML in the language of Ultralytics: networks of a backbone with four stages, and of a feature pyramid.

The architectures are those published with YOLOv8 to YOLO26; the files of the package are not used.
"""

from collections.abc import Mapping, Sequence

WIDE = {"n": (0.33, 0.25, 1024), "s": (0.33, 0.5, 1024), "m": (0.67, 0.75, 768), "l": (1, 1, 512), "x": (1, 1.25, 512)}
DEEP = {"n": (0.5, 0.25, 1024), "s": (0.5, 0.5, 1024), "m": (0.5, 1, 512), "l": (1, 1, 512), "x": (1, 1.5, 512)}
DETECT = "Detect, [nc]"
NONE: Mapping[str, object] = {}


def model(
    lines: Sequence[str],
    head: Sequence[str],
    scales: Mapping[str, tuple[float, ...]] | None = None,
    settings: Mapping[str, object] = NONE,
) -> str:
    """Return the text of a model from the lines of its backbone and its head."""
    text = [f"{name}: {value}" for name, value in {"nc": 80, **settings}.items()]
    if scales:
        text += ["scales:", *(f"  {letter}: {list(values)}" for letter, values in scales.items())]
    text += ["backbone:", *(f"  - [{line}]" for line in lines), "head:", *(f"  - [{line}]" for line in head)]
    return "\n".join(text) + "\n"


def pyramid(
    stages: Sequence[str],
    ends: Sequence[str],
    neck: Sequence[str],
    head: str = DETECT,
    stem: Sequence[str] = ("Conv, [64, 3, 2]", "Conv, [128, 3, 2]"),
    downs: Sequence[str] = ("Conv, [256, 3, 2]", "Conv, [512, 3, 2]", "Conv, [1024, 3, 2]"),
    neck_downs: Sequence[str] = ("Conv, [256, 3, 2]", "Conv, [512, 3, 2]"),
    scales: Mapping[str, tuple[float, ...]] | None = None,
    settings: Mapping[str, object] = NONE,
) -> str:
    """Return the text of a detector with a feature pyramid and a second path from fine to coarse.

    `stages` and `neck` are four blocks each, with their number of repeats: `3, C2f, [128, True]`. `ends` follow the
    last stage, `downs` are between the stages, and `neck_downs` between the last blocks of the neck.
    """
    lines = [f"-1, 1, {part}" for part in stem] + [f"-1, {stages[0]}"]
    kept = []
    for down, stage in zip(downs, stages[1:], strict=True):
        lines += [f"-1, 1, {down}", f"-1, {stage}"]
        kept.append(len(lines) - 1)
    lines += [f"-1, {end}" for end in ends]
    kept[-1] = len(lines) - 1
    up = '-1, 1, nn.Upsample, [None, 2, "nearest"]'
    first = len(lines) + 2
    levels = [first + 3, first + 6, first + 9]
    head_lines = [
        *(up, f"[-1, {kept[1]}], 1, Concat, [1]", f"-1, {neck[0]}"),
        *(up, f"[-1, {kept[0]}], 1, Concat, [1]", f"-1, {neck[1]}"),
        *(f"-1, 1, {neck_downs[0]}", f"[-1, {first}], 1, Concat, [1]", f"-1, {neck[2]}"),
        *(f"-1, 1, {neck_downs[1]}", f"[-1, {kept[2]}], 1, Concat, [1]", f"-1, {neck[3]}"),
        f"{levels}, 1, {head}",
    ]
    return model(lines, head_lines, scales, settings)


def yolov8(head: str = DETECT, settings: Mapping[str, object] = NONE) -> str:
    """Return YOLOv8 (Jocher et al. 2023)."""
    stages = [f"{number}, C2f, [{width}, True]" for number, width in ((3, 128), (6, 256), (6, 512), (3, 1024))]
    neck = [f"3, C2f, [{width}]" for width in (512, 256, 512, 1024)]
    return pyramid(stages, ["1, SPPF, [1024, 5]"], neck, head, scales=WIDE, settings=settings)


def yolov8_ghost() -> str:
    """Return YOLOv8 with the ghost modules of Han et al. 2020."""
    stages = [f"{number}, C3Ghost, [{width}, True]" for number, width in ((3, 128), (6, 256), (6, 512), (3, 1024))]
    return pyramid(
        stages,
        ["1, SPPF, [1024, 5]"],
        [f"3, C3Ghost, [{width}]" for width in (512, 256, 512, 1024)],
        stem=("Conv, [64, 3, 2]", "GhostConv, [128, 3, 2]"),
        downs=[f"GhostConv, [{width}, 3, 2]" for width in (256, 512, 1024)],
        neck_downs=[f"GhostConv, [{width}, 3, 2]" for width in (256, 512)],
        scales=WIDE,
    )


def yolov9t() -> str:
    """Return YOLOv9-t (Wang, Yeh and Liao 2024) without its auxiliary branch."""
    return pyramid(
        ["1, ELAN1, [32, 32, 16]", *(f"1, RepNCSPELAN4, [{c}, {c}, {c // 2}, 3]" for c in (64, 96, 128))],
        ["1, SPPELAN, [128, 64]"],
        [f"1, RepNCSPELAN4, [{c}, {c}, {c // 2}, 3]" for c in (96, 64, 96, 128)],
        stem=("Conv, [16, 3, 2]", "Conv, [32, 3, 2]"),
        downs=[f"AConv, [{c}]" for c in (64, 96, 128)],
        neck_downs=[f"AConv, [{c}]" for c in (48, 64)],
    )


def yolo11(head: str = DETECT, settings: Mapping[str, object] = NONE) -> str:
    """Return YOLO11 (Jocher and Qiu 2024)."""
    return pyramid(
        ["2, C3k2, [256, False, 0.25]", "2, C3k2, [512, False, 0.25]", "2, C3k2, [512, True]", "2, C3k2, [1024, True]"],
        ["1, SPPF, [1024, 5]", "2, C2PSA, [1024]"],
        [*(f"2, C3k2, [{width}, False]" for width in (512, 256, 512)), "2, C3k2, [1024, True]"],
        head,
        scales=DEEP,
        settings=settings,
    )


def yolo12() -> str:
    """Return YOLO12 (Tian, Ye and Doermann 2025)."""
    return pyramid(
        [
            "2, C3k2, [256, False, 0.25]",
            "2, C3k2, [512, False, 0.25]",
            "4, A2C2f, [512, True, 4]",
            "4, A2C2f, [1024, True, 1]",
        ],
        [],
        [*(f"2, A2C2f, [{width}, False, -1]" for width in (512, 256, 512)), "2, C3k2, [1024, True]"],
        scales=DEEP,
    )


def yolo26(head: str = DETECT, settings: Mapping[str, object] = NONE) -> str:
    """Return YOLO26 (Jocher and Qiu 2026)."""
    return pyramid(
        ["2, C3k2, [256, False, 0.25]", "2, C3k2, [512, False, 0.25]", "2, C3k2, [512, True]", "2, C3k2, [1024, True]"],
        ["1, SPPF, [1024, 5, 3, True]", "2, C2PSA, [1024]"],
        [*(f"2, C3k2, [{width}, True]" for width in (512, 256, 512)), "1, C3k2, [1024, True, 0.5, True]"],
        head,
        scales=DEEP,
        settings={"end2end": True, "reg_max": 1, **settings},
    )
