"""Adapters that put a monitor into common training loops: a module for each, imported only on request.

Each needs its library and says so: `pip install transformers` and so on. `torch_loop` is for a
plain loop, and the others that use torch are built on it; `sampler` draws from a transformers model in any of
them. `trl` and `rewards` are for reinforcement learning, and `generation` ends generations that loop.
Source: docs/trainers/.
"""
