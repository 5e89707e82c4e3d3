#include "amx.hpp"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace alexnet::amx {

#if defined(__x86_64__) && defined(__linux__)

namespace {

bool has_instructions() {
    constexpr unsigned BF16 = 1u << 22, TILES = 1u << 24;  // of leaf 7
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & BF16) && (d & TILES);
}

}  // namespace

bool permitted() {
    constexpr long REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    static const bool answer =
        has_instructions() && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
    return answer;
}

#else

bool permitted() { return false; }

#endif

}  // namespace alexnet::amx
