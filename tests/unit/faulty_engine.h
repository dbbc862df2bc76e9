// faulty_engine.h - an engine around another one, which fails by plan.
//
// It knows nothing of what is stored: it lets a call through to the engine inside or does not, and says of a commit
// what the plan has in store for it.  So it goes around any engine, one in memory or one on a disk.

#ifndef TESTS_FAULTY_ENGINE_H
#define TESTS_FAULTY_ENGINE_H

#include "broker/store/engine.h"

enum planned_fault {
    FAULT_NONE,
    FAULT_UNAVAILABLE,    // nothing written, STORE_UNAVAILABLE
    FAULT_DOUBT_WRITTEN,  // written, STORE_IN_DOUBT
    FAULT_DOUBT_LOST,     // not written, STORE_IN_DOUBT
    FAULT_CRASH_UNSYNCED, // not written, and the process dies before it is told
    FAULT_CRASH_SYNCED,   // written, but the process dies before it is told
    FAULT_REFUSED,        // nothing written, STORE_REFUSED
    FAULT_CONTRADICTED    // nothing written, STORE_CONTRADICTED
};

// What lies ahead of the engines of one store.  It outlives them, as the store does.
struct fault_plan;

struct fault_plan *fault_plan_new(void);
void fault_plan_destroy(struct fault_plan **plan_p);

// The next commits that have something to write meet these faults, one a call, in order; after the plan's end all is
// well.  Faults added while others are still ahead come after them.  After a fault that left a commit in doubt the
// engine commits nothing more until position() was read; after a CRASH it answers STORE_UNAVAILABLE to everything,
// until the store is opened anew.
void fault_plan_add(struct fault_plan *plan, const enum planned_fault *faults, size_t count);

// The next reading of the desk that would give more records than these ends there, with STORE_UNAVAILABLE.
void fault_plan_cut_reading(struct fault_plan *plan, size_t records);

// True when the last commit met one of the CRASH faults: the harness then destroys the broker.
bool fault_plan_crashed(const struct fault_plan *plan);

// From now on tells of each group that an engine inside has committed, or had already: for who records what a broker
// writes.  The group is borrowed for the call.
void faulty_engine_listen(void (*hear)(void *self, const struct batch *group), void *self);

// Whether the process has died in a commit of this engine.
bool faulty_engine_died(const struct engine *engine);

// The engine that it is around.
struct engine *faulty_engine_inside(struct engine *engine);

// Takes the engine, which is destroyed with this one; the plan is borrowed.  Whatever process had crashed is forgotten.
struct engine *faulty_engine_new(struct engine **inside_p, struct fault_plan *plan);

#endif
