// A block of fibers, one per CUDA thread, on one OS thread.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "sanitizers.h"
#include "simt.h"

namespace simt {

/// How a launch treats the freedom and the traps of the machine.
struct Options {
    unsigned seed;     // order of blocks and threads
    unsigned threads;  // OS threads over the blocks
    unsigned poison;   // fill shared memory with NaN
    unsigned strict;   // a mask may not name a lane that has returned
    unsigned
        sample;  // run one block of so many, where there are many: what comes of it is only to be counted
};

struct Launch {
    Packed call;
    Index grid, block;
    void** arguments;
    Options options;
};

constexpr std::size_t kStack = 128 * 1024;

enum class State { ready, waiting, done };

struct Fiber : Thread {
    void* stack_pointer;
    char* stack;
    State state;
    unsigned warp;
    sanitizers::Fiber sanitizer;
};

struct Gathering {
    unsigned mask, arrived;
    const char* name;
    Combine combine;
    void* lanes[32];
    Fiber* fibers[32];
    char token;  // what ThreadSanitizer synchronises on
};

struct Warp {
    unsigned lanes, gone;
    std::vector<std::unique_ptr<Gathering>> open;
};

struct Random {
    unsigned long long state;
    unsigned below(unsigned limit) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        return (state >> 32) * limit >> 32;
    }
};

/// One block on one OS thread.
class Block {
  public:
    Block(const Launch& launch, unsigned number, char* stacks);
    ~Block();
    std::string run();

    [[noreturn]] void body();
    void barrier(int line);
    void collective(unsigned mask, const char* name, void* mine, Combine combine);
    void* shared(int slot, std::size_t bytes);

  private:
    void resume(Fiber& fiber);
    void suspend();
    void wait();
    [[noreturn]] void fail(const std::string& why);
    void open_barrier();
    std::string stuck() const;

    const Launch& launch_;
    Random random_;
    std::vector<Fiber> fibers_;
    std::vector<Warp> warps_;
    std::map<int, void*> shared_;
    Fiber* running_ = nullptr;
    void* scheduler_ = nullptr;
    sanitizers::Fiber scheduler_sanitizer_;
    unsigned live_, at_barrier_ = 0, phase_ = 0;
    int barrier_line_ = 0;
    char barrier_tokens_[2], finished_;  // what ThreadSanitizer synchronises on
    std::string error_;
};

}  // namespace simt
