#include "threads.hpp"

#include <cblas.h>

#include <atomic>

#include "check.hpp"

namespace alexnet {

namespace {
std::atomic<int> thread_count{1};
}

void set_threads(int count) {
    CHECK(count >= 1, "set_threads", "needs at least one thread, got ", count);
    thread_count = count;
    scipy_openblas_set_num_threads(1);  // fc.cpp shares a product's rows out itself
}

int threads() { return thread_count; }

}  // namespace alexnet
