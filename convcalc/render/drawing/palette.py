"""Defines the colours of drawings: for each tone, one for light and one for dark backgrounds.

The steps of the scale differ in lightness, so that they can also be told apart without colour vision and in grey. The
text of boxes has a contrast of at least 4.5 to every step (WCAG 2.2, 1.4.3; tested).
"""

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
}
