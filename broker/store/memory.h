// memory.h - the engine of tests: a store in memory whose disk survives the engine, and which fails by plan.

#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "broker/store/engine.h"

enum memory_fault {
    MEMORY_FAULT_NONE,
    MEMORY_FAULT_UNAVAILABLE,    // nothing written, STORE_UNAVAILABLE
    MEMORY_FAULT_DOUBT_WRITTEN,  // written, STORE_IN_DOUBT
    MEMORY_FAULT_DOUBT_LOST,     // not written, STORE_IN_DOUBT
    MEMORY_FAULT_CRASH_UNSYNCED, // says STORE_OK never: the next open finds the disk without it (process dies)
    MEMORY_FAULT_CRASH_SYNCED    // written, but the process dies before it is told
};

struct memory_disk *memory_disk_new(void);
void memory_disk_destroy(struct memory_disk **disk_p);

// The next commits that have changes meet these faults, one a call, in order; after the plan's end all is
// well.  A plan made while another is not at its end is appended to it.  After a fault that left a commit in
// doubt the engine commits nothing more until position() was read; after a CRASH it answers STORE_UNAVAILABLE
// to everything until the disk is opened again.
void memory_disk_plan(struct memory_disk *disk, const enum memory_fault *plan, size_t count);

// True when the last commit met one of the CRASH faults: the harness then destroys the broker.
bool memory_disk_crashed(const struct memory_disk *disk);

// What is on disk, for checks of the simulator: visited in order of writing.
struct memory_visit {
    void *self;
    void (*post)(void *self, const struct post_record *post);                     // as it came
    void (*edited)(void *self, const struct post_record *post, const char *text); // its text now, where edited
    void (*item)(void *self, const struct item_record *item);                     // current
    void (*reply)(void *self, const struct reply_record *reply);                  // current
    void (*event)(void *self, const struct event_record *event);
    void (*outcome)(void *self, const struct outcome_record *outcome);
    void (*note)(void *self, const struct note_record *note);
    void (*early)(void *self, const struct early_record *early);
    void (*request)(void *self, const struct request_record *request); // as many as are kept
};
void memory_disk_visit(const struct memory_disk *disk, const struct memory_visit *visit);

#endif
