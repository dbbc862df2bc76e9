// policy.c - finding names in the rules of engagement as the desk sees them.

#include "broker/desk/policy.h"

#include "proto/base/must.h"

#include <string.h>

static const char *const policy_audience_names[AUDIENCE_COUNT] = {
    [AUDIENCE_AGENT] = "agent",
    [AUDIENCE_PR] = "pr",
    [AUDIENCE_APPROVER] = "approver",
    [AUDIENCE_SUPERVISOR] = "supervisor",
};

// The kinds of name differ in their structs, not in how they are found.
#define FIND(array, array_count, name)                                                                                 \
    for (size_t i = 0; i < (array_count); i++)                                                                         \
        if (!(array)[i].retired && strcmp((array)[i].name, (name)) == 0)                                               \
            return (uint32_t) i;                                                                                       \
    return POLICY_NONE

uint32_t policy_find_brand(const struct policy *policy, const char *name)
{
    FIND(policy->brands, policy->brand_count, name);
}

uint32_t policy_find_language(const struct policy *policy, const char *name)
{
    FIND(policy->languages, policy->language_count, name);
}

uint32_t policy_find_skill(const struct policy *policy, const char *name)
{
    FIND(policy->skills, policy->skill_count, name);
}

uint32_t policy_find_channel(const struct policy *policy, const char *name)
{
    FIND(policy->channels, policy->channel_count, name);
}

uint32_t policy_find_person(const struct policy *policy, const char *name)
{
    FIND(policy->people, policy->person_count, name);
}

const uint8_t *policy_choose(const struct policy_brand *brand)
{
    static const uint8_t usual[] = { CHOOSE_LEAST_IN_HAND, CHOOSE_LEVEL, CHOOSE_IDLE, CHOOSE_NOTHING };
    return brand->choose[0] ? brand->choose : usual;
}

const char *policy_choice_name(enum policy_choice choice)
{
    static const char *const names[CHOICE_COUNT] = { "", "least_in_hand", "level", "idle" };
    must(choice < CHOICE_COUNT);
    return names[choice];
}

const char *audience_name(enum audience audience)
{
    must(audience < AUDIENCE_COUNT);
    return policy_audience_names[audience];
}

enum audience audience_from_name(const char *name)
{
    for (unsigned i = 0; i < AUDIENCE_COUNT; i++) {
        if (strcmp(policy_audience_names[i], name) == 0) {
            return (enum audience) i;
        }
    }
    return AUDIENCE_COUNT;
}

static const char *policy_find_wording(const struct policy_wordings *wordings, uint32_t language)
{
    for (size_t i = 0; i < wordings->count; i++) {
        if (wordings->list[i].language == language) {
            return wordings->list[i].text;
        }
    }
    return NULL;
}

const char *policy_wording(const struct policy *policy, const struct policy_wordings *wordings, const char *text,
                           uint32_t language)
{
    const char *found = policy_find_wording(wordings, language);
    const char *name = policy->languages[language].name;
    const char *variety = strchr(name, '-');
    for (uint32_t i = 0; found == NULL && variety != NULL && i < policy->language_count; i++) {
        const char *other = policy->languages[i].name;
        if (strlen(other) == (size_t) (variety - name) && !strncmp(other, name, (size_t) (variety - name))) {
            found = policy_find_wording(wordings, i);
        }
    }
    return found != NULL ? found : text;
}
