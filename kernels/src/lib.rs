//! CUDA kernels: the list of operations and the names of their plain twins.
