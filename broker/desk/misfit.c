// misfit.c - what stands against new rules: what they drop while open items need it.

#include "broker/desk/parts.h"

#include <string.h>

// The problems found so far; those beyond `max` are only counted.
struct misfits {
    struct change_list *memory;
    struct behalf_problem *problems;
    size_t max, count;
};

static void misfit_add(struct misfits *misfits, const char *key, const char *message)
{
    if (misfits->count < misfits->max) {
        misfits->problems[misfits->count] = (struct behalf_problem){ .key = key, .message = message };
    }
    misfits->count++;
}

// `kind` and `name` are dropped while items are open that need them.
static void misfit_add_open(struct misfits *misfits, const char *kind, const char *name, size_t open)
{
    if (open) {
        misfit_add(misfits, change_list_format(misfits->memory, "%s.%s", kind, name),
                   change_list_format(misfits->memory, "%zu open item%s: end %s before dropping %s", open,
                                      open == 1 ? "" : "s", open == 1 ? "it" : "them", name));
    }
}

size_t desk_misfits(const struct desk *desk, const struct policy *policy, struct change_list *memory,
                    struct behalf_problem *problems, size_t max)
{
    struct misfits misfits = { .memory = memory, .problems = problems, .max = max };
    size_t brands[POLICY_SET_MAX] = { 0 }, languages[POLICY_SET_MAX] = { 0 };
    size_t skills[POLICY_SET_MAX] = { 0 };
    size_t place = 0;
    if (strcmp(policy->desk, desk->policy->desk) != 0) {
        misfit_add(&misfits, "desk",
                   change_list_format(memory, "these are rules of the desk %s, this is the desk %s", policy->desk,
                                      desk->policy->desk));
    }
    for (const struct queue *queue; (queue = table_next(&desk->queues, &place));) {
        brands[queue->brand] += queue->open;
        languages[queue->language] += queue->open;
        for (size_t i = 0; i < policy->skill_count; i++) {
            skills[i] += queue->skills >> i & 1 ? queue->open : 0;
        }
    }
    for (size_t i = 0; i < policy->brand_count; i++) {
        misfit_add_open(&misfits, "brands", policy->brands[i].name, policy->brands[i].retired ? brands[i] : 0);
    }
    for (size_t i = 0; i < policy->channel_count; i++) {
        misfit_add_open(&misfits, "channels", policy->channels[i].name,
                        policy->channels[i].retired ? desk->of_channel[i] : 0);
    }
    for (size_t i = 0; i < policy->language_count; i++) {
        misfit_add_open(&misfits, "languages", policy->languages[i].name,
                        policy->languages[i].retired ? languages[i] : 0);
    }
    for (size_t i = 0; i < policy->skill_count; i++) {
        misfit_add_open(&misfits, "skills", policy->skills[i].name, policy->skills[i].retired ? skills[i] : 0);
    }
    return misfits.count;
}
