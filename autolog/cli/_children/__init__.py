"""A folder on the PYTHONPATH of the processes that a program under `autolog run` starts."""
