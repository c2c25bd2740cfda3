"""Defines the colours of drawings: for each tone, one for light and one for dark backgrounds.

The steps of the scale differ in lightness, so that they can also be told apart without colour vision and in grey. The
text of boxes has a contrast of at least 4.5 to every step (WCAG 2.2, 1.4.3; tested).

The series of plots have a contrast of at least 3 to the background (1.4.11), and differ for readers with each kind of
colour blindness (tested); their marks also differ in shape. Areas are the pale forms of series, with readable text.
"""

SERIES = 6  # number of tones `series0`, … and `area0`, …

TONES = {
    "back": ("#ffffff", "#0d1117"),
    "text": ("#1f2328", "#e6edf3"),
    "faint": ("#59636e", "#9198a1"),
    "line": ("#8c959f", "#6e7681"),
    "grid": ("#d1d9e0", "#30363d"),
    "panel": ("#f6f8fa", "#161b22"),
    "input": ("#eef1f4", "#21262d"),
    "region": ("#d1690f", "#f0883e"),
    "unknown": ("#ffffff", "#0d1117"),
    "step0": ("#f4f8fd", "#101a27"),
    "step1": ("#e2edf9", "#13253b"),
    "step2": ("#cee1f5", "#153150"),
    "step3": ("#b8d4f0", "#173d66"),
    "step4": ("#a0c5ea", "#1a4a7c"),
    "step5": ("#88b6e4", "#1c5691"),
    "step6": ("#70a6dd", "#1e60a1"),
    "step7": ("#5996d5", "#206bb3"),
    "series0": ("#004cd0", "#3d88ff"),
    "series1": ("#e47300", "#e16b37"),
    "series2": ("#1ba473", "#27f696"),
    "series3": ("#b249a2", "#b869a9"),
    "series4": ("#5d3d03", "#f0cf13"),
    "series5": ("#1f2328", "#e6edf3"),
    "area0": ("#cfdcf6", "#1b3a6b"),
    "area1": ("#fadcc4", "#5c3414"),
    "area2": ("#c5e8dc", "#0f4a38"),
    "area3": ("#f0d6e5", "#552c45"),
    "area4": ("#eadcbf", "#4d4212"),
    "area5": ("#dde1e6", "#383e46"),
}
