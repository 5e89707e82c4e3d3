// Threads and their scratch memory.
#pragma once

#include <sys/mman.h>

#include <exception>
#include <memory>
#include <new>

#include "maps.hpp"

namespace alexnet {

// The number of threads an operation may use. A setting of the process: OpenMP's own setting belongs to the
// calling thread, and the loader calls from another thread than the trainer.
void set_threads(int count);
int threads();

// Runs body(i) for i in [0, count) on the threads; the bodies must write to different places.
template <class Body>
void parallel(Index count, const Body& body) {
    std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic) num_threads(threads())
    for (Index i = 0; i < count; ++i) {
        try {
            body(i);
        } catch (...) {  // an exception must not leave a parallel region
#pragma omp critical(alexnet_failure)
            failure = std::current_exception();
        }
    }
    if (failure) std::rethrow_exception(failure);
}

// Memory that grows and is kept. Operations hold it as thread_local: asking the system for some 100 kB at
// each call would cost more in page faults than the copies made into it, and no two threads ever share one.
class Scratch {
  public:
    float* floats(Index count) {
        if (count > size_) {
            data_.reset();
            data_.reset(static_cast<float*>(::operator new(count * sizeof(float), ALIGNMENT)));
#if defined(MADV_HUGEPAGE)
            madvise(data_.get(), count * sizeof(float), MADV_HUGEPAGE);
#endif
            size_ = count;
        }
        return data_.get();
    }

  private:
    static constexpr std::align_val_t ALIGNMENT{2 << 20};  // a huge page: few entries for many streams
    struct Free {
        void operator()(float* data) const { ::operator delete(data, ALIGNMENT); }
    };
    std::unique_ptr<float, Free> data_;
    Index size_ = 0;
};

}  // namespace alexnet
