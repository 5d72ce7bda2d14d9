"""A monitor in the training loops people use: one module for each, imported only when asked for.

Each needs its library and says so: `pip install transformers` and so on. `torch_loop` is for a
plain loop, and the others stand on it where they have torch; `sampler` draws from a transformers model in any
of them. `trl` and `rewards` are for reinforcement learning, and `generation` ends what loops.
Source: docs/trainers/.
"""
