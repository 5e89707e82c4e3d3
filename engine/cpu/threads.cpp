#include "threads.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace alexnet {

namespace {
thread_local int threads_of_call = 1;
}  // namespace

#if defined(__SSE2__)
NoDenormals::NoDenormals() : before_(_mm_getcsr()) {
    _mm_setcsr(before_ | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON);
}
NoDenormals::~NoDenormals() { _mm_setcsr(before_); }
#else
NoDenormals::NoDenormals() : before_(0) {}
NoDenormals::~NoDenormals() = default;
#endif

Call::Call(int threads) : before_(threads_of_call) { threads_of_call = threads; }
Call::~Call() { threads_of_call = before_; }

int threads() { return threads_of_call; }

}  // namespace alexnet
