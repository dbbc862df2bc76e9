// rules_previous.c - what new rules take over from those before them: the indexes of names.
//
// Posts, people and records refer to brands, languages and the like by index.  So a new policy starts out as
// a copy of the previous one with everything retired; what its text names again comes back into force at its
// old place.

#include "broker/triage/rule_building.h"
#include "proto/base/must.h"

#include <stdlib.h>

static struct policy_name *rules_previous_retire_names(const struct policy_name *names, size_t count)
{
    struct policy_name *copies = calloc(count + 1, sizeof *copies);
    must(copies != NULL);
    for (size_t i = 0; i < count; i++) {
        copies[i] = (struct policy_name){ building_copy_text(names[i].name), true };
    }
    return copies;
}

static struct policy_wordings rules_previous_copy_wordings(const struct policy_wordings *from)
{
    struct policy_wordings copy = { .list = calloc(from->count + 1, sizeof *copy.list), .count = from->count };
    must(copy.list != NULL);
    for (size_t i = 0; i < from->count; i++) {
        copy.list[i] = (struct policy_wording){ from->list[i].language, building_copy_text(from->list[i].text) };
    }
    return copy;
}

static void rules_previous_retire_brands(struct policy *policy, const struct policy *previous)
{
    policy->brands = calloc(previous->brand_count + 1, sizeof *policy->brands);
    must(policy->brands != NULL);
    policy->brand_count = previous->brand_count;
    for (size_t i = 0; i < previous->brand_count; i++) {
        const struct policy_brand *from = &previous->brands[i];
        struct policy_brand *to = &policy->brands[i];
        *to = *from;
        to->name = building_copy_text(from->name);
        to->display_name = building_copy_text(from->display_name);
        to->guidance = building_copy_text(from->guidance);
        to->disclosure = building_copy_text(from->disclosure);
        to->disclosure_pr = building_copy_text(from->disclosure_pr);
        to->guidance_in = rules_previous_copy_wordings(&from->guidance_in);
        to->disclosure_in = rules_previous_copy_wordings(&from->disclosure_in);
        to->disclosure_pr_in = rules_previous_copy_wordings(&from->disclosure_pr_in);
        to->retired = true;
    }
}

static void rules_previous_retire_people(struct policy *policy, const struct policy *previous)
{
    policy->people = calloc(previous->person_count + 1, sizeof *policy->people);
    must(policy->people != NULL);
    policy->person_count = previous->person_count;
    for (size_t i = 0; i < previous->person_count; i++) {
        const struct policy_person *from = &previous->people[i];
        struct policy_person *to = &policy->people[i];
        *to = *from;
        to->name = building_copy_text(from->name);
        to->first_name = building_copy_text(from->first_name);
        to->display_name = building_copy_text(from->display_name);
        to->retired = true;
    }
}

static void rules_previous_retire_channels(struct policy *policy, const struct policy *previous)
{
    policy->channels = calloc(previous->channel_count + 1, sizeof *policy->channels);
    must(policy->channels != NULL);
    policy->channel_count = previous->channel_count;
    for (size_t i = 0; i < previous->channel_count; i++) {
        policy->channels[i] = previous->channels[i];
        policy->channels[i].name = building_copy_text(previous->channels[i].name);
        policy->channels[i].anonymous = NULL; // of those in force alone
        policy->channels[i].anonymous_count = 0;
        policy->channels[i].retired = true;
    }
}

void building_start_from(struct policy *policy, const struct policy *previous)
{
    rules_previous_retire_brands(policy, previous);
    rules_previous_retire_people(policy, previous);
    rules_previous_retire_channels(policy, previous);
    policy->languages = rules_previous_retire_names(previous->languages, previous->language_count);
    policy->language_count = previous->language_count;
    policy->skills = rules_previous_retire_names(previous->skills, previous->skill_count);
    policy->skill_count = previous->skill_count;
    policy->agencies = rules_previous_retire_names(previous->agencies, previous->agency_count);
    policy->agency_count = previous->agency_count;
}
