"""Pictures of what there is to see, taken of a demo that stands by a headless Chromium: ``make screenshots``."""
