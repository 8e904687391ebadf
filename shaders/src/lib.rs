//! Vulkan shaders: the same operations under the same names.
