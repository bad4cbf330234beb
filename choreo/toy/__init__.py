"""The toy world: moving sprites on a grey ground, for models small enough to ship and to measure."""
