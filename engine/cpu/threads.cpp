#include "threads.hpp"

#include <cblas.h>

#include <atomic>
#include <thread>

#include "check.hpp"

namespace alexnet {

namespace {
std::atomic<int> thread_count{1};
std::atomic<std::thread::id> setter;
}  // namespace

void set_threads(int count) {
    CHECK(count >= 1, "set_threads", "needs at least one thread, got ", count);
    thread_count = count;
    setter = std::this_thread::get_id();
    scipy_openblas_set_num_threads(1);  // fc.cpp shares a product's rows out itself
}

int threads() { return std::this_thread::get_id() == setter.load() ? thread_count.load() : 1; }

}  // namespace alexnet
