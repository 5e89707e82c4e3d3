// What a host program calls: memory, the kernels by name, and their launch over a grid of blocks.
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "block.h"
#include "counting.h"

namespace simt {

namespace {

std::map<std::string, Kernel>& kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

/// The stacks of this OS thread's fibers: mapped once, touched lazily.
char* stacks_for(unsigned threads) {
    struct Stacks {
        char* memory = nullptr;
        std::size_t bytes = 0;
        ~Stacks() {
            if (memory) munmap(memory, bytes);
        }
    };
    thread_local Stacks stacks;
    if (stacks.bytes < threads * kStack) {
        if (stacks.memory) munmap(stacks.memory, stacks.bytes);
        stacks.bytes = threads * kStack;
        stacks.memory = static_cast<char*>(mmap(nullptr, stacks.bytes, PROT_READ | PROT_WRITE,
                                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        if (stacks.memory == MAP_FAILED) std::abort();
    }
    return stacks.memory;
}

/// Whether block `number` is of the sample: drawn by its number, so that no regular kind of block is left out.
bool chosen(unsigned number, unsigned blocks, unsigned sample) {
    if (sample <= 1 || blocks < 16 * sample) return true;
    return (number * 0x9e3779b1u >> 12) % sample == 0;
}

std::string run_grid(const Launch& launch) {
    const unsigned blocks = launch.grid.x * launch.grid.y * launch.grid.z;
    const unsigned threads = launch.block.x * launch.block.y * launch.block.z;
    const unsigned workers = sanitizers::kThreadPerBlock ? 8 : std::max(1u, launch.options.threads);
    const unsigned wave = sanitizers::kThreadPerBlock ? workers : blocks;
    Random random{launch.options.seed * 0x94d049bb133111ebull + 1};
    const unsigned first = random.below(blocks);
    const bool backward = random.below(2);
    std::mutex mutex;
    std::string error;
    for (unsigned start = 0; start < blocks; start += wave) {
        std::atomic<unsigned> next{start};
        const unsigned end = std::min(start + wave, blocks);
        std::vector<std::unique_ptr<Block>> kept(sanitizers::kThreadPerBlock ? wave : 0);
        auto run = [&](unsigned i) {
            const unsigned turned = (i + first) % blocks;
            const unsigned number = backward ? blocks - 1 - turned : turned;
            if (!chosen(number, blocks, launch.options.sample)) return;
#ifdef SIMT_COUNTS
            ++counts.blocks;
#endif
            auto one = std::make_unique<Block>(launch, number, stacks_for(threads));
            const std::string why = one->run();
            if (sanitizers::kThreadPerBlock) kept[i - start] = std::move(one);  // no address is used twice
            if (why.empty()) return;
            std::lock_guard<std::mutex> hold(mutex);
            error = why;
        };
        auto work = [&] {
            for (unsigned i; (i = next.fetch_add(1, std::memory_order_relaxed)) < end;) {
                run(i);
                if (sanitizers::kThreadPerBlock) break;  // blocks that one thread runs cannot race
            }
        };
        if (workers == 1) {
            work();
            continue;
        }
        std::vector<std::thread> crew;
        for (unsigned t = 0; t < std::min(workers, end - start); ++t) crew.emplace_back(work);
        for (std::thread& one : crew) one.join();
    }
    return error;
}

}  // namespace

bool add_kernel(const char* name, Kernel kernel) { return kernels().emplace(name, kernel).second; }

}  // namespace simt

extern "C" {

/// Device memory of exactly `bytes`, filled with NaN: a sanitizer sees one byte too far.
void* simt_allocate(std::size_t bytes) {
    void* memory = nullptr;
    if (posix_memalign(&memory, 256, bytes ? bytes : 1)) return nullptr;
    std::memset(memory, 0xff, bytes);
    return memory;
}

void simt_free(void* memory) { std::free(memory); }

/// How many arguments a kernel takes, and the size of each; -1 for a kernel that is not there.
int simt_arguments(const char* name, const unsigned** sizes) {
    auto kernel = simt::kernels().find(name);
    if (kernel == simt::kernels().end()) return -1;
    *sizes = kernel->second.sizes.data();
    return kernel->second.sizes.size();
}

/// Runs a kernel to its end; arguments in cuLaunchKernel's form. Returns null, or what went wrong.
const char* simt_launch(const char* name, const unsigned* grid, const unsigned* block, void** arguments,
                        const simt::Options* options) {
    static thread_local std::string error;
    auto kernel = simt::kernels().find(name);
    if (kernel == simt::kernels().end()) return "no such kernel";
    const simt::Index g{grid[0], grid[1], grid[2]}, b{block[0], block[1], block[2]};
    if (g.x == 0 || g.y == 0 || g.z == 0) return "an empty grid";
    if (b.x * b.y * b.z > 1024 || g.y > 65535 || g.z > 65535) return "a grid or block too large for a GPU";
#ifdef SIMT_COUNTS
    simt::counts = {};
#endif
    error = simt::run_grid({kernel->second.call, g, b, arguments, *options});
    return error.empty() ? nullptr : error.c_str();
}
}
