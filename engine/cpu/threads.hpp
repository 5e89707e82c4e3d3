// Threads and their scratch memory.
#pragma once

#include <sys/mman.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <new>

#include "maps.hpp"

namespace alexnet {

// While it lives, numbers below 1.2e-38 count as zero in this thread: they mean nothing here, and would cost a hundred
// times more than others. Processors that are not known here keep them.
class NoDenormals {
  public:
    NoDenormals();
    ~NoDenormals();
    NoDenormals(const NoDenormals&) = delete;

  private:
    unsigned before_;
};

// A caller's use of the engine: what runs while it lives, in this thread, may use so many threads.
class Call {
  public:
    explicit Call(int threads);
    ~Call();
    Call(const Call&) = delete;

  private:
    NoDenormals no_denormals_;
    int before_;
};

// The threads of the call that this thread is in, else one.
int threads();

// Runs body(i) for i in [0, count) on the threads; the bodies must write to different places.
template <class Body>
void parallel(Index count, const Body& body) {
    std::exception_ptr failure;
#pragma omp parallel num_threads(threads())
    {
        const NoDenormals no_denormals;
#pragma omp for schedule(dynamic)
        for (Index i = 0; i < count; ++i) {
            try {
                body(i);
            } catch (...) {  // an exception must not leave a parallel region
#pragma omp critical(alexnet_failure)
                failure = std::current_exception();
            }
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
            const std::size_t bytes = count * sizeof(float),
                              unit = bytes < HUGE_PAGE ? CACHE_LINE : HUGE_PAGE;
            const std::size_t rounded = (bytes + unit - 1) / unit * unit;
            size_ = 0;
            data_.reset();
            data_.reset(static_cast<float*>(std::aligned_alloc(unit, rounded)));
            if (!data_) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
            if (unit == HUGE_PAGE) madvise(data_.get(), rounded, MADV_HUGEPAGE);
#endif
            size_ = count;
        }
        return data_.get();
    }
    template <class T>
    T* numbers(Index count) {
        return reinterpret_cast<T*>(floats((count * sizeof(T) + sizeof(float) - 1) / sizeof(float)));
    }

  private:
    static constexpr std::size_t CACHE_LINE = 64, HUGE_PAGE = 2 << 20;  // few entries for many streams
    struct Free {
        void operator()(float* data) const { std::free(data); }
    };
    std::unique_ptr<float, Free> data_;
    Index size_ = 0;
};

}  // namespace alexnet
