// What AddressSanitizer and ThreadSanitizer must be told of fibers; nothing in a plain build.
#pragma once
#include <cstddef>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SIMT_TSAN
#include <sanitizer/tsan_interface.h>
extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);
extern "C" void AnnotateIgnoreWritesBegin(const char* file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char* file, int line);
#endif

namespace sanitizers {

#ifdef SIMT_TSAN
constexpr bool kThreadPerBlock = true;  // so blocks are concurrent to ThreadSanitizer
#else
constexpr bool kThreadPerBlock = false;
#endif

struct Fiber {
    void create([[maybe_unused]] char* stack, [[maybe_unused]] std::size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
        bottom = stack, size = bytes;
        __asan_unpoison_memory_region(stack, bytes);
#endif
#ifdef SIMT_TSAN
        handle = __tsan_create_fiber(0);
#endif
    }
    void adopt_current() {
#ifdef SIMT_TSAN
        handle = __tsan_get_current_fiber();
#endif
    }
    void destroy() {
#ifdef SIMT_TSAN
        __tsan_destroy_fiber(handle);
#endif
    }
    void* handle = nullptr;  // ThreadSanitizer's
    void* fake = nullptr;    // AddressSanitizer's fake stack while the fiber sleeps
    const void* bottom = nullptr;
    std::size_t size = 0;
};

inline Fiber*& previous() {
    static thread_local Fiber* fiber;
    return fiber;
}

/// Before the switch; no happens-before edge comes of it.
inline void switch_to([[maybe_unused]] Fiber& from, [[maybe_unused]] Fiber& to) {
#ifdef __SANITIZE_ADDRESS__
    previous() = &from;
    __sanitizer_start_switch_fiber(&from.fake, to.bottom, to.size);
#endif
#ifdef SIMT_TSAN
    __tsan_switch_to_fiber(to.handle, __tsan_switch_to_fiber_no_sync);
#endif
}

/// After the switch, on the new stack.
inline void arrived([[maybe_unused]] Fiber& here) {
#ifdef __SANITIZE_ADDRESS__
    Fiber& from = *previous();
    __sanitizer_finish_switch_fiber(here.fake, &from.bottom, &from.size);
#endif
}

/// While it lives, this fiber's accesses are the simulated hardware's, not the kernel's.
class Unseen {
  public:
    Unseen() {
#ifdef SIMT_TSAN
        AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
        AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
    }
    ~Unseen() {
#ifdef SIMT_TSAN
        AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
        AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
#endif
    }
};

inline void release([[maybe_unused]] void* token) {
#ifdef SIMT_TSAN
    __tsan_release(token);
#endif
}

inline void acquire([[maybe_unused]] void* token) {
#ifdef SIMT_TSAN
    __tsan_acquire(token);
#endif
}

}  // namespace sanitizers
