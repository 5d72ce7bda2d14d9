"""Many samples scored by compiled code: `score` prepares them, `loops` is what numba compiles."""
