"""Other tools, each in an environment of its own: pinned requirements and a runner, which ours are measured against."""
