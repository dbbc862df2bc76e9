// rules_names.c - names in rules and the indexes they stand for.
//
// A name that is declared gets its old index back or a new one; a name that is referred to must be declared
// somewhere, or is reported with the nearest one that is.

#include "broker/triage/rule_building.h"

#include "broker/triage/language.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

char *building_copy_text(const char *text)
{
    char *copy = strdup(text);
    must(copy != NULL);
    return copy;
}

void *building_grow(void *array, size_t count, size_t element_bytes)
{
    void *grown = realloc(array, count * element_bytes);
    must(grown != NULL);
    memset((char *) grown + (count - 1) * element_bytes, 0, element_bytes);
    return grown;
}

void building_report_full(struct building *building, const struct yaml_node *node, const char *what, size_t maximum)
{
    rule_problem_at(&building->problems, node,
                    "too many %s: %zu at most, with those that were dropped since the broker started", what, maximum);
}

uint32_t building_require_name(struct building *building, struct policy_name **names, size_t *count, const char *name,
                               const struct yaml_node *node, const char *what, size_t maximum)
{
    size_t index;
    FIND_ANY(*names, *count, name, index);
    if (index == *count) {
        if (index >= maximum) {
            building_report_full(building, node, what, maximum);
            return POLICY_NONE;
        }
        *names = building_grow(*names, ++*count, sizeof **names);
        (*names)[index].name = building_copy_text(name);
    }
    (*names)[index].retired = false;
    return (uint32_t) index;
}

// A language, with a region (pt-BR) or a script (zh-Hant, hi-Latn) or without.
static bool rules_names_looks_like_language(const char *code)
{
    static const char small[] = "abcdefghijklmnopqrstuvwxyz";
    static const char large[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (strcmp(code, LANGUAGE_UNKNOWN) == 0) {
        return true;
    }
    size_t bytes = strspn(code, small);
    if (bytes < 2 || bytes > 3) {
        return false;
    }
    if (code[bytes] == '\0') {
        return true;
    }
    const char *part = code + bytes + 1;
    bool region = strlen(part) == 2 && strspn(part, large) == 2;
    bool script = strlen(part) == 4 && strspn(part, large) == 1 && strspn(part + 1, small) == 3;
    return code[bytes] == '-' && (region || script) && strlen(code) < LANGUAGE_CODE_BYTES;
}

static bool rules_names_same_base(const char *one, const char *other)
{
    size_t bytes = strcspn(one, "-");
    return bytes == strcspn(other, "-") && strncmp(one, other, bytes) == 0;
}

static void rules_names_warn_of_unknown_language(struct building *building, const char *code,
                                                 const struct yaml_node *node)
{
    if (strcmp(code, LANGUAGE_UNKNOWN) != 0 && !language_is_known(code)) {
        rule_problem_at(&building->warnings, node,
                        "\"%s\" cannot be told by the text; posts get there only by the platform's own tag", code);
    }
}

uint32_t building_require_language(struct building *building, const char *code, const struct yaml_node *node)
{
    if (!rules_names_looks_like_language(code)) {
        rule_problem_at(&building->problems, node, "\"%s\" is not a language code; write en, es, ja, pt-BR or the like",
                        code);
        return POLICY_NONE;
    }
    uint32_t index = policy_find_language(building->policy, code);
    if (index != POLICY_NONE) {
        return index;
    }
    rules_names_warn_of_unknown_language(building, code, node);
    return building_require_name(building, &building->policy->languages, &building->policy->language_count, code, node,
                                 "languages", POLICY_SET_MAX);
}

void building_report_unknown(struct building *building, const struct yaml_node *node, const char *kind,
                             const char *name, const char *nearest)
{
    if (nearest != NULL) {
        rule_problem_at(&building->problems, node, "there is no %s \"%s\"; did you mean %s?", kind, name, nearest);
    } else {
        rule_problem_at(&building->problems, node, "there is no %s \"%s\" in this file", kind, name);
    }
}

uint32_t building_known_brand(struct building *building, const char *name, const struct yaml_node *node)
{
    uint32_t index = policy_find_brand(building->policy, name);
    if (index == POLICY_NONE) {
        REPORT_UNKNOWN(building, node, "brand", name, building->policy->brands, building->policy->brand_count);
    }
    return index;
}

uint32_t building_known_skill(struct building *building, const char *name, const struct yaml_node *node)
{
    uint32_t index = policy_find_skill(building->policy, name);
    if (index == POLICY_NONE) {
        REPORT_UNKNOWN(building, node, "skill", name, building->policy->skills, building->policy->skill_count);
    }
    return index;
}

uint32_t building_known_channel(struct building *building, const char *name, const struct yaml_node *node)
{
    uint32_t index = policy_find_channel(building->policy, name);
    if (index == POLICY_NONE) {
        REPORT_UNKNOWN(building, node, "channel", name, building->policy->channels, building->policy->channel_count);
    }
    return index;
}

// A language whose region is served, or that is served without the region, is known as that.
uint32_t building_known_language(struct building *building, const char *name, const struct yaml_node *node)
{
    const struct policy *policy = building->policy;
    uint32_t index = policy_find_language(policy, name);
    for (uint32_t i = 1; i < policy->language_count && index == POLICY_NONE; i++) {
        if (!policy->languages[i].retired && rules_names_same_base(policy->languages[i].name, name) &&
            strstr(policy->languages[i].name, "-Latn") == NULL) {
            index = i;
        }
    }
    if (index == POLICY_NONE) {
        REPORT_UNKNOWN(building, node, "served language", name, policy->languages, policy->language_count);
    }
    return index;
}

uint64_t building_languages_like(const struct building *building, const char *name)
{
    const struct policy *policy = building->policy;
    uint64_t set = 0;
    for (uint32_t i = 0; i < policy->language_count; i++) {
        const char *other = policy->languages[i].name;
        bool exact = strcmp(other, name) == 0;
        bool romanised = strstr(other, "-Latn") != NULL || strstr(name, "-Latn") != NULL;
        bool regions = strchr(other, '-') != NULL && strchr(name, '-') != NULL;
        if (!policy->languages[i].retired &&
            (exact || (rules_names_same_base(other, name) && !romanised && !regions))) {
            set |= bit_of(i);
        }
    }
    return set;
}

uint64_t building_set_of(struct building *building, const struct rule_value *value, uint64_t all,
                         building_find_function *find)
{
    if (value->number >= 0) {
        return all;
    }
    uint64_t set = 0;
    for (const struct yaml_node *name = rule_next(value, NULL); name != NULL; name = rule_next(value, name)) {
        uint32_t index = find(building, name->text, name);
        if (index != POLICY_NONE) {
            set |= bit_of(index);
        }
    }
    return set;
}

uint64_t building_set_of_languages(struct building *building, const struct rule_value *value)
{
    uint64_t set = building_set_of(building, value, UINT64_MAX, building_known_language);
    if (value->number < 0) {
        for (const struct yaml_node *name = rule_next(value, NULL); name != NULL; name = rule_next(value, name)) {
            set |= building_languages_like(building, name->text);
        }
    }
    return set;
}

uint32_t building_brands_language(struct building *building, const struct rule_value *value, uint64_t languages)
{
    uint32_t index = policy_find_language(building->policy, value->text);
    if (index == 0 || (index != POLICY_NONE && (languages & bit_of(index)) != 0)) {
        return index;
    }
    rule_problem_at(&building->problems, value->node, "must be one of the brand's languages, or und, not \"%s\"",
                    value->text);
    return POLICY_NONE;
}
