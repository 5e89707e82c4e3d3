// The calls that g++ -fsanitize=thread puts before each access: here they count it, and no sanitizer is linked.
#include "counting.h"

#include <cstdint>

namespace simt {

Counts counts;
const char* device_memory;
std::size_t device_bytes;

namespace {

bool on_device(const void* address) {
    return static_cast<std::size_t>(static_cast<const char*>(address) - device_memory) < device_bytes;
}

}  // namespace

}  // namespace simt

#define ACCESS(bytes)                                                                 \
    void __tsan_read##bytes(void* address) {                                          \
        if (simt::on_device(address)) simt::counts.loaded += bytes;                   \
    }                                                                                 \
    void __tsan_write##bytes(void* address) {                                         \
        if (simt::on_device(address)) simt::counts.stored += bytes;                   \
    }                                                                                 \
    void __tsan_unaligned_read##bytes(void* address) { __tsan_read##bytes(address); } \
    void __tsan_unaligned_write##bytes(void* address) { __tsan_write##bytes(address); }

extern "C" {

ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void __tsan_read_range(void* address, std::size_t bytes) {
    if (simt::on_device(address)) simt::counts.loaded += bytes;
}
void __tsan_write_range(void* address, std::size_t bytes) {
    if (simt::on_device(address)) simt::counts.stored += bytes;
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit(void*) {}

void simt_count_within(const void* memory, std::size_t bytes) {
    simt::device_memory = static_cast<const char*>(memory), simt::device_bytes = bytes;
}

/// Of the last launch.
simt::Counts simt_counts() { return simt::counts; }
}
