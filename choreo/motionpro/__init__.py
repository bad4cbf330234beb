"""MotionPro: the trained controller of SVD, from its condition to its training (arXiv 2505.20287)."""
