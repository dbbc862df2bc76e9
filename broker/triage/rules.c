// rules.c - a desk's rules of engagement, read from YAML: a policy for the desk and patterns for triage.
//
// In this order: the text becomes a tree, the tree values, the values a policy and rules; what values mean
// to each other is checked on the way, and the patterns are compiled last, if nothing else was wrong.
// Names become indexes; those of the rules before keep theirs, so the arrays start out as copies of the
// previous ones with everything retired.

#include "broker/triage/rules.h"

#include "broker/triage/language.h"
#include "broker/triage/plain_text.h"
#include "broker/triage/rule_reader.h"
#include "broker/triage/rule_set.h"
#include "proto/must.h"

#include <stdlib.h>
#include <string.h>

#define AGENCIES_MAX 2048        // with those that former versions named
#define DISCLOSURE_BYTES_MAX 512 // of the line as it goes out (ITEM.disclosure)
#define DISCLOSURE_ROOM 40       // characters that a channel should leave beside the line

struct rules {
    struct policy policy;
    char *text;
    struct rule_set set;
    struct rules_problems warnings;
};

// Rules in the making.
struct building {
    struct rules *rules;
    struct policy *policy; // theirs
    struct rule_problems problems;
    struct rule_problems warnings;
    struct rule_desk desk; // the outermost values
    size_t rule_capacity;
    size_t rule_pattern_capacity;
    const struct yaml_node **pattern_nodes; // where each pattern was written
    uint64_t all_brands;                    // those in force
    uint64_t all_languages;                 // with und
    uint64_t all_skills;
    uint64_t all_channels;
};

static char *copy_text(const char *text)
{
    char *copy = strdup(text);
    must(copy != NULL);
    return copy;
}

static void *grow(void *array, size_t count, size_t element_bytes)
{
    void *grown = realloc(array, count * element_bytes);
    must(grown != NULL);
    memset((char *) grown + (count - 1) * element_bytes, 0, element_bytes);
    return grown;
}

static uint64_t bit_of(uint32_t index)
{
    return UINT64_C(1) << index;
}

// ---- what a policy owns ----

static void free_names(struct policy_name *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i].name);
    free(names);
}

static void empty_brand(struct policy_brand *brand)
{
    free(brand->display_name);
    free(brand->guidance);
    free(brand->disclosure);
    free(brand->disclosure_pr);
}

static void empty_person(struct policy_person *person)
{
    free(person->first_name);
    free(person->display_name);
}

static void free_policy(struct policy *policy)
{
    free(policy->desk);
    for (size_t i = 0; i < policy->brand_count; i++) {
        empty_brand(&policy->brands[i]);
        free(policy->brands[i].name);
    }
    free(policy->brands);
    for (size_t i = 0; i < policy->person_count; i++) {
        empty_person(&policy->people[i]);
        free(policy->people[i].name);
    }
    free(policy->people);
    for (size_t i = 0; i < policy->channel_count; i++)
        free(policy->channels[i].name);
    free(policy->channels);
    free_names(policy->languages, policy->language_count);
    free_names(policy->skills, policy->skill_count);
    free_names(policy->agencies, policy->agency_count);
}

static struct policy_name *retire_names(const struct policy_name *names, size_t count)
{
    struct policy_name *copies = calloc(count + 1, sizeof *copies);
    must(copies != NULL);
    for (size_t i = 0; i < count; i++)
        copies[i] = (struct policy_name){ copy_text(names[i].name), true };
    return copies;
}

static void retire_brands(struct policy *policy, const struct policy *previous)
{
    policy->brands = calloc(previous->brand_count + 1, sizeof *policy->brands);
    must(policy->brands != NULL);
    policy->brand_count = previous->brand_count;
    for (size_t i = 0; i < previous->brand_count; i++) {
        const struct policy_brand *from = &previous->brands[i];
        struct policy_brand *to = &policy->brands[i];
        *to = *from;
        to->name = copy_text(from->name);
        to->display_name = copy_text(from->display_name);
        to->guidance = copy_text(from->guidance);
        to->disclosure = copy_text(from->disclosure);
        to->disclosure_pr = copy_text(from->disclosure_pr);
        to->retired = true;
    }
}

static void retire_people(struct policy *policy, const struct policy *previous)
{
    policy->people = calloc(previous->person_count + 1, sizeof *policy->people);
    must(policy->people != NULL);
    policy->person_count = previous->person_count;
    for (size_t i = 0; i < previous->person_count; i++) {
        const struct policy_person *from = &previous->people[i];
        struct policy_person *to = &policy->people[i];
        *to = *from;
        to->name = copy_text(from->name);
        to->first_name = copy_text(from->first_name);
        to->display_name = copy_text(from->display_name);
        to->retired = true;
    }
}

static void retire_channels(struct policy *policy, const struct policy *previous)
{
    policy->channels = calloc(previous->channel_count + 1, sizeof *policy->channels);
    must(policy->channels != NULL);
    policy->channel_count = previous->channel_count;
    for (size_t i = 0; i < previous->channel_count; i++) {
        policy->channels[i] = previous->channels[i];
        policy->channels[i].name = copy_text(previous->channels[i].name);
        policy->channels[i].retired = true;
    }
}

// Everything that earlier versions named, retired until this one names it again.
static void start_from(struct policy *policy, const struct policy *previous)
{
    retire_brands(policy, previous);
    retire_people(policy, previous);
    retire_channels(policy, previous);
    policy->languages = retire_names(previous->languages, previous->language_count);
    policy->language_count = previous->language_count;
    policy->skills = retire_names(previous->skills, previous->skill_count);
    policy->skill_count = previous->skill_count;
    policy->agencies = retire_names(previous->agencies, previous->agency_count);
    policy->agency_count = previous->agency_count;
}

// ---- names and their indexes ----

// Finds a name, also a retired one, in an array of policy structs; sets `index` to the count if it is new.
#define FIND_ANY(array, array_count, wanted, index)                                                                    \
    for ((index) = 0; (index) < (array_count) && strcmp((array)[index].name, (wanted)) != 0; (index)++)

// Says that there is no room for a further name.
static void report_full(struct building *building, const struct yaml_node *node, const char *what, size_t maximum)
{
    rule_problem_at(&building->problems, node,
                    "too many %s: %zu at most, with those that were dropped since the broker started", what, maximum);
}

static uint32_t require_name(struct building *building, struct policy_name **names, size_t *count, const char *name,
                             const struct yaml_node *node, const char *what, size_t maximum)
{
    size_t index;
    FIND_ANY(*names, *count, name, index);
    if (index == *count) {
        if (index >= maximum) {
            report_full(building, node, what, maximum);
            return POLICY_NONE;
        }
        *names = grow(*names, ++*count, sizeof **names);
        (*names)[index].name = copy_text(name);
    }
    (*names)[index].retired = false;
    return (uint32_t) index;
}

static bool looks_like_language(const char *code)
{
    if (strcmp(code, LANGUAGE_UNKNOWN) == 0)
        return true;
    size_t bytes = strlen(code);
    return (bytes == 2 || bytes == 3) && strspn(code, "abcdefghijklmnopqrstuvwxyz") == bytes;
}

static void warn_of_unknown_language(struct building *building, const char *code, const struct yaml_node *node)
{
    if (strcmp(code, LANGUAGE_UNKNOWN) != 0 && !language_is_known(code))
        rule_problem_at(&building->warnings, node,
                        "\"%s\" cannot be told by the text; posts get there only by the platform's own tag", code);
}

static uint32_t require_language(struct building *building, const char *code, const struct yaml_node *node)
{
    if (!looks_like_language(code)) {
        rule_problem_at(&building->problems, node, "\"%s\" is not a language code; write en, es, ja or the like", code);
        return POLICY_NONE;
    }
    uint32_t index = policy_find_language(building->policy, code);
    if (index != POLICY_NONE)
        return index;
    warn_of_unknown_language(building, code, node);
    return require_name(building, &building->policy->languages, &building->policy->language_count, code, node,
                        "languages", POLICY_SET_MAX);
}

// A name that stands for nothing, with the nearest one that does.
#define REPORT_UNKNOWN(building, node, kind, wanted, array, array_count)                                               \
    do {                                                                                                               \
        struct likeness likeness = { .word = (wanted) };                                                               \
        for (size_t i = 0; i < (array_count); i++)                                                                     \
            if (!(array)[i].retired)                                                                                   \
                likeness_try(&likeness, (array)[i].name);                                                              \
        report_unknown(building, node, kind, wanted, likeness.nearest);                                                \
    } while (0)

static void report_unknown(struct building *building, const struct yaml_node *node, const char *kind, const char *name,
                           const char *nearest)
{
    if (nearest != NULL)
        rule_problem_at(&building->problems, node, "there is no %s \"%s\"; did you mean %s?", kind, name, nearest);
    else
        rule_problem_at(&building->problems, node, "there is no %s \"%s\" in this file", kind, name);
}

static uint32_t known_brand(struct building *building, const char *name, const struct yaml_node *node)
{
    uint32_t index = policy_find_brand(building->policy, name);
    if (index == POLICY_NONE)
        REPORT_UNKNOWN(building, node, "brand", name, building->policy->brands, building->policy->brand_count);
    return index;
}

static uint32_t known_skill(struct building *building, const char *name, const struct yaml_node *node)
{
    uint32_t index = policy_find_skill(building->policy, name);
    if (index == POLICY_NONE)
        REPORT_UNKNOWN(building, node, "skill", name, building->policy->skills, building->policy->skill_count);
    return index;
}

static uint32_t known_channel(struct building *building, const char *name, const struct yaml_node *node)
{
    uint32_t index = policy_find_channel(building->policy, name);
    if (index == POLICY_NONE)
        REPORT_UNKNOWN(building, node, "channel", name, building->policy->channels, building->policy->channel_count);
    return index;
}

// A language that some brand serves; `und` always is one.
static uint32_t known_language(struct building *building, const char *name, const struct yaml_node *node)
{
    uint32_t index = policy_find_language(building->policy, name);
    if (index == POLICY_NONE)
        REPORT_UNKNOWN(building, node, "served language", name, building->policy->languages,
                       building->policy->language_count);
    return index;
}

typedef uint32_t find_function(struct building *building, const char *name, const struct yaml_node *node);

// The set that a NAMES value stands for: `all`, or what it lists.
static uint64_t set_of(struct building *building, const struct rule_value *value, uint64_t all, find_function *find)
{
    if (value->number >= 0)
        return all;
    uint64_t set = 0;
    for (const struct yaml_node *name = rule_next(value, NULL); name != NULL; name = rule_next(value, name)) {
        uint32_t index = find(building, name->text, name);
        if (index != POLICY_NONE)
            set |= bit_of(index);
    }
    return set;
}

// ---- the desk, its times, channels, skills, agencies ----

static void build_times(struct building *building)
{
    struct rule_times times;
    rule_read(&building->problems, RULE_SECTION_times, building->desk.times.node, &times);
    building->policy->times = (struct policy_times){
        .offer_ms = times.offer.number,
        .grace_ms = times.grace.number,
        .decline_ms = times.decline.number,
        .prefer_ms = times.prefer.number,
        .known_author_ms = times.known_author.number,
        .follow_up_ms = times.follow_up.number,
        .band_raise_ms = times.band_raise.number,
        .park_max_ms = times.park.number,
        .fate_ms = times.fate.number,
        .expire_ms = times.expire.number,
        .missed_offers = (uint32_t) times.missed_offers.number,
    };
}

static void build_channels(struct building *building)
{
    struct policy *policy = building->policy;
    const struct rule_value *channels = &building->desk.channels;
    for (const struct yaml_node *node = rule_next(channels, NULL); node != NULL; node = rule_next(channels, node)) {
        struct rule_channel values;
        rule_read(&building->problems, RULE_SECTION_channel, node, &values);
        size_t index;
        FIND_ANY(policy->channels, policy->channel_count, node->key, index);
        if (index == policy->channel_count) {
            if (index >= POLICY_CHANNELS_MAX) {
                report_full(building, node, "channels", POLICY_CHANNELS_MAX);
                return;
            }
            policy->channels = grow(policy->channels, ++policy->channel_count, sizeof *policy->channels);
            policy->channels[index].name = copy_text(node->key);
        }
        policy->channels[index].length_max = values.length.number;
        policy->channels[index].reply_window_ms = values.reply_window.number;
        policy->channels[index].retired = false;
        building->all_channels |= bit_of((uint32_t) index);
    }
}

static void build_skills_and_agencies(struct building *building)
{
    struct policy *policy = building->policy;
    const struct rule_value *skills = &building->desk.skills;
    for (const struct yaml_node *node = rule_next(skills, NULL); node != NULL; node = rule_next(skills, node)) {
        uint32_t index =
            require_name(building, &policy->skills, &policy->skill_count, node->text, node, "skills", POLICY_SET_MAX);
        if (index != POLICY_NONE)
            building->all_skills |= bit_of(index);
    }
    const struct rule_value *agencies = &building->desk.agencies;
    for (const struct yaml_node *node = rule_next(agencies, NULL); node != NULL; node = rule_next(agencies, node))
        require_name(building, &policy->agencies, &policy->agency_count, node->text, node, "agencies", AGENCIES_MAX);
}

// ---- brands ----

// Checks the placeholders of a disclosure line; `allowed` holds those that can stand in it.
static void check_placeholders(struct building *building, const struct rule_value *line, const char *allowed)
{
    const char *text = line->text;
    for (const char *open = strchr(text, '{'); open != NULL; open = strchr(open + 1, '{')) {
        size_t bytes = strcspn(open, "}");
        char name[64];
        snprintf(name, sizeof name, "%.*s}", bytes < 60 ? (int) bytes : 60, open);
        if (open[bytes] != '\0' && strstr(allowed, name) != NULL)
            continue;
        struct likeness likeness = { .word = name };
        static const char *const known[] = { "{first_name}", "{name}", "{agency}", "{brand}" };
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            if (strstr(allowed, known[i]) != NULL)
                likeness_try(&likeness, known[i]);
        if (likeness.nearest != NULL)
            rule_problem_at(&building->problems, line->node, "unknown placeholder %s; did you mean %s?", name,
                            likeness.nearest);
        else
            rule_problem_at(&building->problems, line->node, "unknown placeholder %s; there are %s", name, allowed);
    }
}

// A reader of the reply must learn from the line for whom and from where it was written.
static void check_disclosure(struct building *building, const struct rule_brand *brand)
{
    const struct rule_value *line = &brand->disclosure;
    if (line->node == NULL)
        return;
    check_placeholders(building, line, "{first_name}, {name}, {agency}, {brand}");
    if (strstr(line->text, "{agency}") == NULL)
        rule_problem_at(&building->problems, line->node,
                        "does not say for which company the agent works; put {agency} into it");
    const char *name = brand->display_name.text;
    if (strstr(line->text, "{brand}") == NULL && (name[0] == '\0' || strstr(line->text, name) == NULL))
        rule_problem_at(&building->problems, line->node,
                        "does not say for whom the agent answers; put {brand} into it");
}

static void build_service_levels(struct building *building, struct policy_brand *brand, const struct yaml_node *node)
{
    struct rule_service_level values;
    rule_read(&building->problems, RULE_SECTION_service_level, node, &values);
    brand->service_level_ms[AUDIENCE_AGENT] = values.agent.number;
    brand->service_level_ms[AUDIENCE_PR] = values.pr.number;
    brand->service_level_ms[AUDIENCE_APPROVER] = values.approver.number;
    brand->service_level_ms[AUDIENCE_SUPERVISOR] = values.supervisor.number;
}

static void build_brand_languages(struct building *building, struct policy_brand *brand,
                                  const struct rule_brand *values)
{
    uint32_t main_language = POLICY_NONE;
    for (const struct yaml_node *node = rule_next(&values->languages, NULL); node != NULL;
         node = rule_next(&values->languages, node)) {
        uint32_t index = require_language(building, node->text, node);
        if (index == 0)
            rule_problem_at(&building->problems, node,
                            "und is not a language to serve; write undetermined: und instead");
        if (index == 0 || index == POLICY_NONE)
            continue;
        brand->languages |= bit_of(index);
        main_language = main_language == POLICY_NONE ? index : main_language;
    }
    brand->und_language = main_language == POLICY_NONE ? 0 : main_language;
    const struct rule_value *undetermined = &values->undetermined;
    if (undetermined->node != NULL) {
        uint32_t index = policy_find_language(building->policy, undetermined->text);
        if (index != 0 && (index == POLICY_NONE || (brand->languages & bit_of(index)) == 0))
            rule_problem_at(&building->problems, undetermined->node,
                            "must be one of the brand's languages, or und, not \"%s\"", undetermined->text);
        else
            brand->und_language = index;
    }
    if (brand->und_language == 0)
        brand->languages |= bit_of(0);
}

static struct policy_brand *require_brand(struct building *building, const struct yaml_node *node)
{
    struct policy *policy = building->policy;
    size_t index;
    FIND_ANY(policy->brands, policy->brand_count, node->key, index);
    if (index < policy->brand_count) {
        empty_brand(&policy->brands[index]);
    } else {
        if (index >= POLICY_SET_MAX) {
            report_full(building, node, "brands", POLICY_SET_MAX);
            return NULL;
        }
        policy->brands = grow(policy->brands, ++policy->brand_count, sizeof *policy->brands);
        policy->brands[index].name = copy_text(node->key);
    }
    building->all_brands |= bit_of((uint32_t) index);
    return &policy->brands[index];
}

static void build_brand(struct building *building, const struct yaml_node *node)
{
    struct rule_brand values;
    rule_read(&building->problems, RULE_SECTION_brand, node, &values);
    struct policy_brand *brand = require_brand(building, node);
    if (brand == NULL)
        return;
    *brand = (struct policy_brand){
        .name = brand->name,
        .display_name = copy_text(values.display_name.text),
        .guidance = copy_text(values.guidance.text),
        .disclosure = copy_text(values.disclosure.text),
        .disclosure_pr = copy_text(values.disclosure_pr.text),
        .take_automatic = values.take.number == 1,
        .approve_all = values.approve.number == 1,
        .escalate_late = values.escalate_late.number == 1,
    };
    check_disclosure(building, &values);
    if (values.disclosure_pr.node != NULL)
        check_placeholders(building, &values.disclosure_pr, "{first_name}, {name}, {brand}");
    build_brand_languages(building, brand, &values);
    build_service_levels(building, brand, values.service_level.node);
    if (brand->escalate_late && brand->service_level_ms[AUDIENCE_AGENT] == 0)
        rule_problem_at(&building->warnings, values.escalate_late.node,
                        "nothing is ever late: the brand has no service_level for agent");
}

static void build_brands(struct building *building)
{
    const struct rule_value *brands = &building->desk.brands;
    for (const struct yaml_node *node = rule_next(brands, NULL); node != NULL; node = rule_next(brands, node))
        build_brand(building, node);
}

// ---- people ----

static void build_roles(struct building *building, struct policy_person *person, const struct rule_person *values)
{
    for (const struct yaml_node *node = rule_next(&values->roles, NULL); node != NULL;
         node = rule_next(&values->roles, node)) {
        enum audience audience = audience_from_name(node->text);
        if (audience < AUDIENCE_COUNT)
            person->audiences |= 1u << audience;
        else
            rule_problem_at(&building->problems, node,
                            "there is no role \"%s\"; there are agent, pr, approver, supervisor", node->text);
    }
}

// Agents are an agency's, those who may see what is sensitive are the brand's own.
static void build_agency(struct building *building, struct policy_person *person, const struct rule_person *values,
                         const struct yaml_node *node)
{
    struct policy *policy = building->policy;
    char path[YAML_TREE_PATH_BYTES];
    bool agent = (person->audiences & 1u << AUDIENCE_AGENT) != 0;
    bool brands_own = (person->audiences & (1u << AUDIENCE_PR | 1u << AUDIENCE_APPROVER)) != 0;
    person->agency = POLICY_NONE;
    if (agent && brands_own) {
        rule_problem_at(&building->problems, values->roles.node,
                        "an agent cannot be pr or approver too: agents never see what is sensitive");
        return;
    }
    if (values->agency.node == NULL) {
        if (agent)
            rule_problem(&building->problems, node->key_mark, yaml_node_path(node, "agency", path),
                         "missing: an agent's replies say for which company they work");
        return;
    }
    if (brands_own) {
        rule_problem_at(&building->problems, values->agency.node,
                        "pr people and approvers are the brand's own and have no agency");
        return;
    }
    for (size_t i = 0; i < policy->agency_count && person->agency == POLICY_NONE; i++)
        if (!policy->agencies[i].retired && strcmp(policy->agencies[i].name, values->agency.text) == 0)
            person->agency = (uint32_t) i;
    if (person->agency == POLICY_NONE)
        REPORT_UNKNOWN(building, values->agency.node, "agency", values->agency.text, policy->agencies,
                       policy->agency_count);
}

// Fills a set and its levels; `all` is what the word "all" stands for, or 0.
static uint64_t build_levels(struct building *building, const struct rule_value *value, uint64_t all,
                             find_function *find, uint8_t levels[POLICY_SET_MAX])
{
    uint64_t set = value->number >= 0 ? all : 0;
    for (uint32_t i = 0; i < POLICY_SET_MAX; i++)
        levels[i] = set & bit_of(i) ? RULE_LEVEL_DEFAULT : 0;
    for (const struct yaml_node *node = rule_next(value, NULL); node != NULL; node = rule_next(value, node)) {
        uint8_t level = 0;
        uint32_t index = find(building, rule_level(node, &level), node);
        if (index == POLICY_NONE)
            continue;
        set |= bit_of(index);
        levels[index] = level;
    }
    return set;
}

static char *first_word(const char *text)
{
    size_t bytes = strcspn(text, " ");
    char *word = strndup(text, bytes < BEHALF_NAME_BYTES ? bytes : BEHALF_NAME_BYTES);
    must(word != NULL);
    return word;
}

static struct policy_person *require_person(struct building *building, const struct yaml_node *node)
{
    struct policy *policy = building->policy;
    size_t index;
    FIND_ANY(policy->people, policy->person_count, node->key, index);
    if (index < policy->person_count) {
        empty_person(&policy->people[index]);
        return &policy->people[index];
    }
    if (index >= POLICY_PEOPLE_MAX) {
        report_full(building, node, "people", POLICY_PEOPLE_MAX);
        return NULL;
    }
    policy->people = grow(policy->people, ++policy->person_count, sizeof *policy->people);
    policy->people[index].name = copy_text(node->key);
    return &policy->people[index];
}

static void build_person(struct building *building, const struct yaml_node *node)
{
    struct rule_person values;
    rule_read(&building->problems, RULE_SECTION_person, node, &values);
    struct policy_person *person = require_person(building, node);
    if (person == NULL)
        return;
    const char *first_name = values.first_name.text;
    *person = (struct policy_person){
        .name = person->name,
        .display_name = copy_text(values.display_name.text),
        .first_name = first_name[0] != '\0' ? copy_text(first_name) : first_word(values.display_name.text),
        .capacity = (uint32_t) values.capacity.number,
        .approve_all = values.approve.number == 1,
    };
    build_roles(building, person, &values);
    build_agency(building, person, &values, node);
    if (values.brands.node != NULL)
        person->brands = set_of(building, &values.brands, building->all_brands, known_brand);
    person->languages =
        build_levels(building, &values.languages, values.languages.node != NULL ? building->all_languages : 0,
                     known_language, person->language_level);
    person->skills = build_levels(building, &values.skills, values.skills.number == 0 ? building->all_skills : 0,
                                  known_skill, person->skill_level);
}

static void build_people(struct building *building)
{
    const struct rule_value *people = &building->desk.people;
    for (const struct yaml_node *node = rule_next(people, NULL); node != NULL; node = rule_next(people, node))
        build_person(building, node);
}

// ---- topics, sensitive, noise ----

static struct rule *add_rule(struct building *building, enum rule_kind kind, const struct yaml_node *node)
{
    struct rule_set *set = &building->rules->set;
    set->rules = grow(set->rules, ++set->rule_count, sizeof *set->rules);
    struct rule *rule = &set->rules[set->rule_count - 1];
    *rule = (struct rule){
        .kind = kind,
        .name = copy_text(node->key),
        .languages = UINT64_MAX,
        .channels = UINT64_MAX,
        .band = POLICY_BAND_NORMAL,
        .skill = POLICY_NONE,
    };
    return rule;
}

static void add_pattern(struct building *building, const struct yaml_node *node, const char *label, uint32_t number)
{
    struct rule_set *set = &building->rules->set;
    char reason[PATTERN_REASON_BYTES];
    if (!patterns_add(set->patterns, node->text, node->bytes, reason)) {
        rule_problem_at(&building->problems, node, "%s", reason);
        return;
    }
    size_t index = set->rule_pattern_count++;
    set->rule_patterns = grow(set->rule_patterns, set->rule_pattern_count, sizeof *set->rule_patterns);
    building->pattern_nodes = grow(building->pattern_nodes, set->rule_pattern_count, sizeof *building->pattern_nodes);
    building->pattern_nodes[index] = node;
    struct rule_pattern *pattern = &set->rule_patterns[index];
    pattern->rule = (uint32_t) (set->rule_count - 1);
    pattern->number = number;
    snprintf(pattern->label, sizeof pattern->label, "%s", label);
}

// Adds the patterns of the rule added last.
static void add_patterns(struct building *building, const struct rule_value *value)
{
    uint32_t number = 0;
    for (const struct yaml_node *node = rule_next(value, NULL); node != NULL; node = rule_next(value, node)) {
        if (node->kind == YAML_SCALAR) {
            add_pattern(building, node, "", ++number);
            continue;
        }
        uint32_t under_label = 0;
        for (const struct yaml_node *pattern = node->first; pattern != NULL; pattern = pattern->next)
            add_pattern(building, pattern, node->key, ++under_label);
    }
}

static void build_sensitive(struct building *building, const struct yaml_node *node)
{
    struct rule_sensitive values;
    rule_read(&building->problems, RULE_SECTION_sensitive, node, &values);
    struct rule *rule = add_rule(building, RULE_SENSITIVE, node);
    rule->brands = set_of(building, &values.brands, building->all_brands, known_brand);
    if (values.languages.node != NULL)
        rule->languages = set_of(building, &values.languages, UINT64_MAX, known_language);
    if (values.channels.node != NULL)
        rule->channels = set_of(building, &values.channels, UINT64_MAX, known_channel);
    rule->reach = values.reach.number;
    rule->band = (uint8_t) values.band.number;
    rule->has_patterns = values.patterns.node != NULL;
    bool states_something =
        rule->has_patterns || rule->reach > 0 || rule->languages != UINT64_MAX || rule->channels != UINT64_MAX;
    if (!states_something && yaml_node_find(node, "patterns") == NULL)
        rule_problem_at(&building->problems, node,
                        "holds for every post; state patterns, reach, languages or channels");
    add_patterns(building, &values.patterns);
}

// The topics that a brand wants approved, if it names some.
static struct rule_value approved_topics(const struct yaml_node *brand)
{
    struct rule_value value = { .node = yaml_node_find(brand, "approve"), .number = -1 };
    const struct yaml_node *node = value.node;
    bool word = node != NULL && node->kind == YAML_SCALAR &&
                (strcmp(node->text, "all") == 0 || strcmp(node->text, "none") == 0);
    if (node == NULL || word || node->kind == YAML_MAP)
        value.node = NULL;
    return value;
}

static uint64_t approving_brands(struct building *building, const char *topic)
{
    uint64_t set = 0;
    const struct rule_value *brands = &building->desk.brands;
    for (const struct yaml_node *node = rule_next(brands, NULL); node != NULL; node = rule_next(brands, node)) {
        struct rule_value topics = approved_topics(node);
        uint32_t index = policy_find_brand(building->policy, node->key);
        for (const struct yaml_node *name = rule_next(&topics, NULL); name != NULL; name = rule_next(&topics, name))
            if (index != POLICY_NONE && strcmp(name->text, topic) == 0)
                set |= bit_of(index);
    }
    return set;
}

static void build_topic(struct building *building, const struct yaml_node *node)
{
    struct rule_topic values;
    rule_read(&building->problems, RULE_SECTION_topic, node, &values);
    struct rule *rule = add_rule(building, RULE_TOPIC, node);
    rule->brands = set_of(building, &values.brands, building->all_brands, known_brand);
    if (values.languages.node != NULL)
        rule->languages = set_of(building, &values.languages, UINT64_MAX, known_language);
    if (values.skill.node != NULL)
        rule->skill = known_skill(building, values.skill.text, values.skill.node);
    rule->band = (uint8_t) values.band.number;
    rule->has_patterns = true;
    rule->approve_brands = values.approve.number == 1 ? rule->brands : approving_brands(building, node->key);
    add_patterns(building, &values.patterns);
}

static unsigned only_of(struct building *building, const struct rule_value *value)
{
    static const char *const kinds[] = { "links", "mentions", "hashtags", "emoji" };
    unsigned only = 0;
    for (const struct yaml_node *node = rule_next(value, NULL); node != NULL; node = rule_next(value, node)) {
        unsigned kind = 0;
        while (kind < 4 && strcmp(kinds[kind], node->text) != 0)
            kind++;
        if (kind < 4)
            only |= 1u << kind;
        else
            rule_problem_at(&building->problems, node, "must be links, mentions, hashtags or emoji, not \"%s\"",
                            node->text);
    }
    return only;
}

static void build_noise(struct building *building, const struct yaml_node *node)
{
    struct rule_noise values;
    rule_read(&building->problems, RULE_SECTION_noise, node, &values);
    struct rule *rule = add_rule(building, RULE_NOISE, node);
    rule->brands = set_of(building, &values.brands, building->all_brands, known_brand);
    rule->has_patterns = values.patterns.node != NULL;
    rule->empty = values.empty.number == 1;
    rule->only = only_of(building, &values.only);
    if (!rule->has_patterns && !rule->empty && values.only.node == NULL && yaml_node_find(node, "patterns") == NULL &&
        yaml_node_find(node, "only") == NULL)
        rule_problem_at(&building->problems, node, "holds for no post; state patterns, empty or only");
    add_patterns(building, &values.patterns);
}

static void build_rules(struct building *building)
{
    static const struct {
        enum rule_kind kind;
        void (*build)(struct building *building, const struct yaml_node *node);
    } kinds[] = {
        { RULE_SENSITIVE, build_sensitive },
        { RULE_TOPIC, build_topic },
        { RULE_NOISE, build_noise },
    };
    const struct rule_value *values[] = { &building->desk.sensitive, &building->desk.topics, &building->desk.noise };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (const struct yaml_node *node = rule_next(values[i], NULL); node != NULL; node = rule_next(values[i], node))
            kinds[i].build(building, node);
}

// ---- what belongs together ----

static bool works_for(const struct policy_person *person, uint32_t brand, enum audience audience)
{
    return !person->retired && (person->brands & bit_of(brand)) != 0 && (person->audiences & 1u << audience) != 0;
}

// Everything that the people of an audience can do for a brand.
static uint64_t covered_languages(const struct policy *policy, uint32_t brand, enum audience audience, size_t *people)
{
    uint64_t languages = 0;
    *people = 0;
    for (size_t i = 0; i < policy->person_count; i++) {
        if (!works_for(&policy->people[i], brand, audience))
            continue;
        languages |= policy->people[i].languages;
        ++*people;
    }
    return languages;
}

static void warn_of_languages(struct building *building, const struct yaml_node *node, uint64_t missing,
                              const char *whom)
{
    for (uint32_t i = 0; i < building->policy->language_count; i++)
        if (missing & bit_of(i))
            rule_problem_at(&building->warnings, node,
                            "no %s of this brand answers in %s: such posts would wait for nobody", whom,
                            building->policy->languages[i].name);
}

static void check_brand_people(struct building *building, const struct yaml_node *node, uint32_t brand)
{
    const struct policy *policy = building->policy;
    size_t people = 0;
    uint64_t served = policy->brands[brand].languages;
    uint64_t covered = covered_languages(policy, brand, AUDIENCE_PR, &people);
    char path[YAML_TREE_PATH_BYTES];
    if (people == 0)
        rule_problem(&building->problems, node->key_mark, yaml_node_path(node, NULL, path),
                     "nobody with the role pr works for this brand: sensitive posts would reach nobody");
    else
        warn_of_languages(building, node, served & ~covered, "pr person");
    covered = covered_languages(policy, brand, AUDIENCE_AGENT, &people);
    if (people == 0)
        rule_problem_at(&building->warnings, node, "no agent works for this brand: its posts would wait for nobody");
    else
        warn_of_languages(building, node, served & ~covered, "agent");
}

static bool has_approver(const struct policy *policy, uint32_t brand)
{
    size_t people = 0;
    covered_languages(policy, brand, AUDIENCE_APPROVER, &people);
    return people > 0;
}

static void check_approval(struct building *building, const struct yaml_node *node, uint32_t brand)
{
    const struct policy *policy = building->policy;
    const struct rule_set *set = &building->rules->set;
    bool approves = policy->brands[brand].approve_all;
    for (size_t i = 0; i < set->rule_count; i++)
        approves = approves || (set->rules[i].approve_brands & set->rules[i].brands & bit_of(brand)) != 0;
    if (approves && !has_approver(policy, brand))
        rule_problem_at(&building->warnings, node,
                        "replies of this brand are to be approved, and nobody with the role approver works for it");
}

// The topics that a brand wants approved must exist, and be the brand's.
static void check_approved_topics(struct building *building, const struct yaml_node *node, uint32_t brand)
{
    struct rule_value topics = approved_topics(node);
    const struct rule_set *set = &building->rules->set;
    for (const struct yaml_node *name = rule_next(&topics, NULL); name != NULL; name = rule_next(&topics, name)) {
        const struct rule *topic = NULL;
        struct likeness likeness = { .word = name->text };
        for (size_t i = 0; i < set->rule_count; i++) {
            if (set->rules[i].kind != RULE_TOPIC)
                continue;
            likeness_try(&likeness, set->rules[i].name);
            if (strcmp(set->rules[i].name, name->text) == 0)
                topic = &set->rules[i];
        }
        if (topic == NULL)
            report_unknown(building, name, "topic", name->text, likeness.nearest);
        else if ((topic->brands & bit_of(brand)) == 0)
            rule_problem_at(&building->warnings, name, "the topic %s is not one of this brand", name->text);
    }
}

// The longest line that a brand's people can make of it.
static void longest_disclosure(const struct policy *policy, uint32_t brand, size_t *bytes, size_t *characters)
{
    *bytes = 0;
    *characters = 0;
    for (size_t i = 0; i < policy->person_count; i++) {
        const struct policy_person *person = &policy->people[i];
        if (!works_for(person, brand, AUDIENCE_AGENT) || person->agency == POLICY_NONE)
            continue;
        const char *words[][2] = { { "{first_name}", person->first_name },
                                   { "{name}", person->display_name },
                                   { "{agency}", policy->agencies[person->agency].name },
                                   { "{brand}", policy->brands[brand].display_name } };
        size_t line_bytes = 0;
        size_t line_characters = 0;
        for (const char *at = policy->brands[brand].disclosure; *at != '\0';) {
            const char *part = NULL;
            size_t step = 1;
            for (size_t w = 0; w < 4 && part == NULL; w++)
                if (strncmp(at, words[w][0], strlen(words[w][0])) == 0) {
                    part = words[w][1];
                    step = strlen(words[w][0]);
                }
            size_t part_bytes = part != NULL ? strlen(part) : 1;
            for (size_t b = 0; b < part_bytes; b++)
                line_characters += ((unsigned char) (part != NULL ? part[b] : *at) & 0xC0) != 0x80;
            line_bytes += part_bytes;
            at += step;
        }
        *bytes = line_bytes > *bytes ? line_bytes : *bytes;
        *characters = line_characters > *characters ? line_characters : *characters;
    }
}

static void check_disclosure_length(struct building *building, const struct yaml_node *node, uint32_t brand)
{
    const struct policy *policy = building->policy;
    const struct yaml_node *line = yaml_node_find(node, "disclosure");
    size_t bytes = 0;
    size_t characters = 0;
    longest_disclosure(policy, brand, &bytes, &characters);
    if (line == NULL)
        return;
    if (bytes > DISCLOSURE_BYTES_MAX)
        rule_problem_at(&building->problems, line, "grows to %zu bytes with the longest names; at most %d are allowed",
                        bytes, DISCLOSURE_BYTES_MAX);
    for (size_t i = 0; i < policy->channel_count; i++) {
        const struct policy_channel *channel = &policy->channels[i];
        if (channel->retired || channel->length_max == 0)
            continue;
        if ((int64_t) characters >= channel->length_max)
            rule_problem_at(&building->problems, line,
                            "grows to %zu characters with the longest names; channel %s takes %lld in all", characters,
                            channel->name, (long long) channel->length_max);
        else if ((int64_t) characters + DISCLOSURE_ROOM > channel->length_max)
            rule_problem_at(&building->warnings, line,
                            "grows to %zu characters with the longest names; channel %s leaves %lld for the reply",
                            characters, channel->name, (long long) channel->length_max - (long long) characters);
    }
}

static void check_brands(struct building *building)
{
    const struct rule_value *brands = &building->desk.brands;
    for (const struct yaml_node *node = rule_next(brands, NULL); node != NULL; node = rule_next(brands, node)) {
        uint32_t index = policy_find_brand(building->policy, node->key);
        if (index == POLICY_NONE)
            continue;
        check_brand_people(building, node, index);
        check_approval(building, node, index);
        check_approved_topics(building, node, index);
        check_disclosure_length(building, node, index);
    }
}

static void check_topic_skill(struct building *building, const struct yaml_node *node, const struct rule *topic)
{
    const struct policy *policy = building->policy;
    for (uint32_t brand = 0; brand < policy->brand_count; brand++) {
        if ((topic->brands & building->all_brands & bit_of(brand)) == 0)
            continue;
        bool somebody = false;
        for (size_t i = 0; i < policy->person_count && !somebody; i++)
            somebody = works_for(&policy->people[i], brand, AUDIENCE_AGENT) &&
                       (policy->people[i].skills & bit_of(topic->skill)) != 0;
        if (!somebody)
            rule_problem_at(&building->warnings, node,
                            "no agent of %s has the skill %s: such posts would wait for nobody",
                            policy->brands[brand].name, policy->skills[topic->skill].name);
    }
}

static void check_topics(struct building *building)
{
    const struct rule_set *set = &building->rules->set;
    for (size_t i = 0; i < set->rule_count; i++) {
        const struct rule *rule = &set->rules[i];
        if (rule->kind != RULE_TOPIC || rule->skill == POLICY_NONE)
            continue;
        const struct yaml_node *node = yaml_node_find(building->desk.topics.node, rule->name);
        must(node != NULL);
        check_topic_skill(building, node, rule);
    }
}

// ---- all of it ----

static void compile_patterns(struct building *building)
{
    char reason[PATTERN_REASON_BYTES];
    uint32_t at_fault = UINT32_MAX;
    if (patterns_compile(building->rules->set.patterns, &at_fault, reason))
        return;
    if (at_fault != UINT32_MAX)
        rule_problem_at(&building->problems, building->pattern_nodes[at_fault], "%s", reason);
    else
        rule_problem(&building->problems, (struct yaml_mark){ 1, 1 }, "", "the patterns together are %s", reason);
}

static void build_desk(struct building *building)
{
    struct policy *policy = building->policy;
    policy->desk = copy_text(building->desk.desk.text);
    build_times(building);
    build_channels(building);
    build_skills_and_agencies(building);
    building->all_languages = bit_of(require_language(building, LANGUAGE_UNKNOWN, building->desk.brands.node));
    build_brands(building);
    for (uint32_t i = 0; i < policy->language_count; i++)
        if (!policy->languages[i].retired)
            building->all_languages |= bit_of(i);
    build_people(building);
    build_rules(building);
    // An absent list of people or brands was reported; what it would leave uncovered is not worth repeating.
    if (building->desk.people.node != NULL && building->desk.brands.node != NULL)
        check_brands(building);
    check_topics(building);
}

static void check_same_desk(struct building *building, const struct rules *previous)
{
    const struct rule_value *desk = &building->desk.desk;
    if (previous != NULL && desk->node != NULL && strcmp(previous->policy.desk, desk->text) != 0)
        rule_problem_at(&building->problems, desk->node,
                        "these are the rules of the desk \"%s\"; the broker serves \"%s\"", desk->text,
                        previous->policy.desk);
}

static void report_tree_problem(void *argument, struct yaml_mark mark, const char *key, const char *message)
{
    rule_problem(argument, mark, key, "%s", message);
}

static void build_tree(struct building *building, const struct yaml_tree *tree, const struct rules *previous)
{
    if (previous != NULL)
        start_from(building->policy, &previous->policy);
    rule_read(&building->problems, RULE_SECTION_desk, yaml_tree_root(tree), &building->desk);
    check_same_desk(building, previous);
    build_desk(building);
    if (building->problems.found == 0)
        compile_patterns(building);
}

struct rules *rules_new(const char *text, size_t text_bytes, const struct rules *previous, uint64_t version,
                        struct rules_problems *problems)
{
    struct rules *rules = calloc(1, sizeof *rules);
    must(rules != NULL);
    struct building building = { .rules = rules, .policy = &rules->policy };
    rules->policy.version = version;
    rules->set.patterns = patterns_new();
    struct yaml_tree *tree = NULL;
    if (text_bytes > BEHALF_RULES_BYTES)
        rule_problem(&building.problems, (struct yaml_mark){ 1, 1 }, "", "%zu bytes long; at most %d are allowed",
                     text_bytes, BEHALF_RULES_BYTES);
    else
        tree = yaml_tree_new(text, text_bytes, report_tree_problem, &building.problems);
    if (tree != NULL)
        build_tree(&building, tree, previous);
    yaml_tree_destroy(&tree);
    free(building.pattern_nodes);
    rules->text = strndup(text, text_bytes);
    must(rules->text != NULL);
    rule_problems_finish(&building.problems, problems);
    rule_problems_finish(&building.warnings, &rules->warnings);
    if (problems->found > 0)
        rules_destroy(&rules);
    return rules;
}

void rules_destroy(struct rules **rules_p)
{
    struct rules *rules = *rules_p;
    if (rules == NULL)
        return;
    free_policy(&rules->policy);
    for (size_t i = 0; i < rules->set.rule_count; i++)
        free(rules->set.rules[i].name);
    free(rules->set.rules);
    free(rules->set.rule_patterns);
    patterns_destroy(&rules->set.patterns);
    rules_problems_fini(&rules->warnings);
    free(rules->text);
    free(rules);
    *rules_p = NULL;
}

const struct policy *rules_policy(const struct rules *rules)
{
    return &rules->policy;
}

const char *rules_text(const struct rules *rules)
{
    return rules->text;
}

const struct rules_problems *rules_warnings(const struct rules *rules)
{
    return &rules->warnings;
}

const struct rule_set *rules_set(const struct rules *rules)
{
    return &rules->set;
}
