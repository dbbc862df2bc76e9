// power_model.h - what a disk has of a store's files, and what is left of them when power goes.
//
// A file is what was surely written, what the system shows, and the writes between the two.  When power goes, of those
// any sector is there or not, each as it was at some moment since; and a file that was made or deleted may not be.  Of
// a sync that failed it is as Linux has it: what did not reach the disk is taken for clean, and shown all the same.

#ifndef TESTS_POWER_MODEL_H
#define TESTS_POWER_MODEL_H

#include "tests/system/failing_disk.h"

#include <stddef.h>

// Repeats itself from where it begins.
uint64_t chance_next(uint64_t *chance);
uint64_t chance_below(uint64_t *chance, uint64_t bound);

struct power_model;

// An empty folder.
struct power_model *power_model_new(void);
// What is in a folder, surely.
struct power_model *power_model_read(const char *folder);
void power_model_destroy(struct power_model **model_p);

// What happens to a file; `fails`: a sync that does not go well.
void power_model_happen(struct power_model *model, const struct disk_event *event, bool fails, uint64_t *chance);

// Another disk, as it is after power went: all of what it has is surely written.
struct power_model *power_model_lose(const struct power_model *model, uint64_t *chance);

// The same disk, as a process finds it that starts after another was killed: nothing is lost, nor surer than before.
struct power_model *power_model_copy(const struct power_model *model);

// Writes what the system shows into a folder, and removes there what it does not.
void power_model_write(const struct power_model *model, const char *folder);

#endif
