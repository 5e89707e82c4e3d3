// What a launch moves and multiplies, where kernels are compiled to be counted (-DSIMT_COUNTS): every access of theirs
// is then a call, which looks whether it is to device memory.
#pragma once
#include <cstddef>

namespace simt {

/// Of the last launch; bytes of device memory, and multiply-adds on the tensor cores.
struct Counts {
    unsigned long long blocks, loaded, stored, copied, products;
};

extern Counts counts;

/// Where device memory lies.
extern const char* device_memory;
extern std::size_t device_bytes;

}  // namespace simt
