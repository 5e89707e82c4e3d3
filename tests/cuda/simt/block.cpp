// The scheduler of a block: fibers, barriers, warp collectives, shared memory. Under ThreadSanitizer it is
// compiled without instrumentation, so that only the kernels' accesses count.
#include "block.h"

#include <algorithm>
#include <cstdlib>

#ifndef __x86_64__
#error "the fiber switch below is written for x86-64"
#endif

extern "C" void simt_switch(void** save, void* resume);
asm(R"(
.text
.type simt_switch, @function
simt_switch:
    push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp
    ret
.size simt_switch, . - simt_switch
)");

namespace simt {

__thread Thread* self;

namespace {

thread_local Block* block;

void enter() { block->body(); }

}  // namespace

Block::Block(const Launch& launch, unsigned number, char* stacks) : launch_(launch) {
    const Index d = launch.block, g = launch.grid;
    live_ = d.x * d.y * d.z;
    random_.state = (launch.options.seed + 1) * 0x9e3779b97f4a7c15ull ^ (number + 1) * 0xbf58476d1ce4e5b9ull;
    fibers_.resize(live_);
    warps_.resize((live_ + 31) / 32);
    for (unsigned t = 0; t < live_; ++t) {
        Fiber& fiber = fibers_[t];
        fiber.thread_index = {t % d.x, t / d.x % d.y, t / (d.x * d.y)};
        fiber.block_index = {number % g.x, number / g.x % g.y, number / (g.x * g.y)};
        fiber.block_dim = d, fiber.grid_dim = g;
        fiber.lane = t % 32, fiber.warp = t / 32, fiber.state = State::ready;
        fiber.stack = stacks + t * kStack;
        char* end = fiber.stack + kStack - t % 64 * 256;  // tops in different sets of the caches
        void** top = reinterpret_cast<void**>(end) - 2;
        *top = reinterpret_cast<void*>(enter);
        fiber.stack_pointer = top - 6;
        fiber.sanitizer.create(fiber.stack, kStack);
        warps_[t / 32].lanes |= 1u << t % 32;
    }
    scheduler_sanitizer_.adopt_current();
}

Block::~Block() {
    for (Fiber& fiber : fibers_) fiber.sanitizer.destroy();
    for (auto& [slot, memory] : shared_) std::free(memory);
}

std::string Block::run() {
    block = this;
    std::vector<Fiber*> turn;
    while (live_ && error_.empty()) {
        turn.clear();
        for (Fiber& fiber : fibers_)
            if (fiber.state == State::ready) turn.push_back(&fiber);
        if (turn.empty()) return stuck();
        for (std::size_t i = turn.size(); i > 1; --i) std::swap(turn[i - 1], turn[random_.below(i)]);
        for (Fiber* fiber : turn) {
            resume(*fiber);
            if (!error_.empty()) break;
        }
    }
    sanitizers::acquire(&finished_);
    return error_;
}

std::string Block::stuck() const {
    std::string waits = std::to_string(at_barrier_) + " at __syncthreads";
    for (const Warp& warp : warps_)
        for (const auto& one : warp.open) waits += ", some at " + std::string(one->name);
    return "deadlock: of " + std::to_string(live_) + " threads " + waits;
}

void Block::resume(Fiber& fiber) {
    running_ = &fiber;
    self = &fiber;
    sanitizers::switch_to(scheduler_sanitizer_, fiber.sanitizer);
    simt_switch(&scheduler_, fiber.stack_pointer);
    sanitizers::arrived(scheduler_sanitizer_);
}

void Block::suspend() {
    Fiber& fiber = *running_;
    sanitizers::switch_to(fiber.sanitizer, scheduler_sanitizer_);
    simt_switch(&fiber.stack_pointer, scheduler_);
    sanitizers::arrived(fiber.sanitizer);
}

void Block::body() {
    sanitizers::arrived(running_->sanitizer);
    launch_.call(launch_.arguments);
    sanitizers::release(&finished_);
    Fiber& fiber = *running_;
    Warp& warp = warps_[fiber.warp];
    fiber.state = State::done;
    warp.gone |= 1u << fiber.lane;
    --live_;
    for (const auto& one : warp.open)
        if (one->mask >> fiber.lane & 1)
            fail("lane " + std::to_string(fiber.lane) + " returned, but others wait for it at " + one->name);
    if (live_ && at_barrier_ == live_) open_barrier();
    suspend();
    std::abort();
}

void Block::fail(const std::string& why) {
    const Index t = running_->thread_index, b = running_->block_index;
    error_ = why + " (thread " + std::to_string(t.x) + "," + std::to_string(t.y) + " of block " +
             std::to_string(b.x) + "," + std::to_string(b.y) + "," + std::to_string(b.z) + ")";
    suspend();
    std::abort();
}

void Block::wait() {
    running_->state = State::waiting;
    suspend();
}

void Block::open_barrier() {
    at_barrier_ = 0;
    ++phase_;
    for (Fiber& fiber : fibers_)
        if (fiber.state == State::waiting) fiber.state = State::ready;
}

void Block::barrier(int line) {
    if (at_barrier_ && line != barrier_line_)
        fail("__syncthreads of lines " + std::to_string(barrier_line_) + " and " + std::to_string(line) +
             " met");
    char* token = &barrier_tokens_[phase_ % 2];
    barrier_line_ = line;
    sanitizers::release(token);
    if (++at_barrier_ == live_)
        open_barrier();
    else
        wait();
    sanitizers::acquire(token);
}

void Block::collective(unsigned mask, const char* name, void* mine, Combine combine) {
    const sanitizers::Unseen unseen;
    Fiber& fiber = *running_;
    Warp& warp = warps_[fiber.warp];
    if (!(mask >> fiber.lane & 1)) fail(std::string(name) + ": the mask does not name the calling lane");
    const unsigned absent = warp.gone | ~warp.lanes;
    if (launch_.options.strict && mask & absent)
        fail(std::string(name) + ": the mask names a lane that is not there");
    const unsigned members = mask & ~absent;
    Gathering* mate = nullptr;
    for (auto& one : warp.open) {
        if (one->mask == members && one->name == name && !(one->arrived >> fiber.lane & 1))
            mate = one.get();
        else if (one->mask & members)
            fail(std::string(name) + ": lanes of one mask wait at " + one->name);
    }
    if (!mate) {
        warp.open.push_back(std::make_unique<Gathering>());
        mate = warp.open.back().get();
        mate->mask = members, mate->arrived = 0, mate->name = name, mate->combine = combine;
    }
    mate->arrived |= 1u << fiber.lane;
    mate->lanes[fiber.lane] = mine;
    mate->fibers[fiber.lane] = &fiber;
    if (!combine) sanitizers::release(&mate->token);
    if (mate->arrived != members) {
        wait();
    } else {
        if (combine) combine(mate->lanes, members);
        for (unsigned lane = 0; lane < 32; ++lane)
            if (members >> lane & 1) mate->fibers[lane]->state = State::ready;
    }
    // A gathering leaves the list with its last lane to arrive and lives until the last has gone on.
    if (!combine) sanitizers::acquire(&mate->token);
    if (mate->arrived == members) {
        auto same = [mate](const auto& one) { return one.get() == mate; };
        auto place = std::find_if(warp.open.begin(), warp.open.end(), same);
        if (place != warp.open.end()) {
            (void)place->release();
            warp.open.erase(place);
        }
    }
    if (!(mate->arrived &= ~(1u << fiber.lane))) delete mate;
}

void* Block::shared(int slot, std::size_t bytes) {
    auto [place, fresh] = shared_.try_emplace(slot, nullptr);
    void*& memory = place->second;
    if (fresh) {
        if (posix_memalign(&memory, 128, bytes)) std::abort();
        std::memset(memory, launch_.options.poison ? 0xff : 0, bytes);
        sanitizers::release(memory);
    }
    sanitizers::acquire(memory);
    return memory;
}

void barrier(int line) { block->barrier(line); }
void collective(unsigned mask, const char* name, void* mine, Combine combine) {
    block->collective(mask, name, mine, combine);
}
void* shared_memory(int slot, std::size_t bytes) { return block->shared(slot, bytes); }

}  // namespace simt
