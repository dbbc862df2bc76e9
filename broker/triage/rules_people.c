// rules_people.c - people, from the values under `people`: their roles, agency, languages and skills.

#include "broker/triage/rule_building.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

void building_empty_person(struct policy_person *person)
{
    free(person->first_name);
    free(person->display_name);
}

static void rules_people_build_roles(struct building *building, struct policy_person *person,
                                     const struct rule_person *values)
{
    for (const struct yaml_node *node = rule_next(&values->roles, NULL); node != NULL;
         node = rule_next(&values->roles, node)) {
        enum audience audience = audience_from_name(node->text);
        if (audience < AUDIENCE_COUNT) {
            person->audiences |= 1u << audience;
        } else {
            rule_problem_at(&building->problems, node,
                            "there is no role \"%s\"; there are agent, pr, approver, supervisor", node->text);
        }
    }
}

// Agents are an agency's, those who may see what is sensitive are the brand's own.
static void rules_people_build_agency(struct building *building, struct policy_person *person,
                                      const struct rule_person *values, const struct yaml_node *node)
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
        if (agent) {
            rule_problem(&building->problems, node->key_mark, yaml_node_path(node, "agency", path),
                         "missing: an agent's replies say for which company they work");
        }
        return;
    }
    if (brands_own) {
        rule_problem_at(&building->problems, values->agency.node,
                        "pr people and approvers are the brand's own and have no agency");
        return;
    }
    for (size_t i = 0; i < policy->agency_count && person->agency == POLICY_NONE; i++) {
        if (!policy->agencies[i].retired && strcmp(policy->agencies[i].name, values->agency.text) == 0) {
            person->agency = (uint32_t) i;
        }
    }
    if (person->agency == POLICY_NONE) {
        REPORT_UNKNOWN(building, values->agency.node, "agency", values->agency.text, policy->agencies,
                       policy->agency_count);
    }
}

// Fills a set and its levels; `all` is what the word "all" stands for, or 0.
static uint64_t rules_people_build_levels(struct building *building, const struct rule_value *value, uint64_t all,
                                          building_find_function *find, uint8_t levels[POLICY_SET_MAX])
{
    uint64_t set = value->number >= 0 ? all : 0;
    for (uint32_t i = 0; i < POLICY_SET_MAX; i++) {
        levels[i] = set & bit_of(i) ? RULE_LEVEL_DEFAULT : 0;
    }
    for (const struct yaml_node *node = rule_next(value, NULL); node != NULL; node = rule_next(value, node)) {
        uint8_t level = 0;
        uint32_t index = find(building, rule_level(node, &level), node);
        if (index == POLICY_NONE) {
            continue;
        }
        set |= bit_of(index);
        levels[index] = level;
    }
    return set;
}

// Who speaks a language speaks its regions as well, at the level that is not given for them.
static void rules_people_add_regions(const struct building *building, struct policy_person *person,
                                     const struct rule_value *value)
{
    for (const struct yaml_node *node = rule_next(value, NULL); node != NULL; node = rule_next(value, node)) {
        uint8_t level = 0;
        uint64_t like = building_languages_like(building, rule_level(node, &level)) & ~person->languages;
        for (uint32_t i = 0; i < POLICY_SET_MAX; i++) {
            if (like & bit_of(i)) {
                person->language_level[i] = level;
            }
        }
        person->languages |= like;
    }
}

static char *rules_people_first_word(const char *text)
{
    text += strspn(text, " ");
    size_t bytes = strcspn(text, " ");
    char *word = strndup(text, bytes < BEHALF_NAME_BYTES ? bytes : BEHALF_NAME_BYTES);
    must(word != NULL);
    return word;
}

static struct policy_person *rules_people_require_person(struct building *building, const struct yaml_node *node)
{
    struct policy *policy = building->policy;
    size_t index;
    FIND_ANY(policy->people, policy->person_count, node->key, index);
    if (index < policy->person_count) {
        building_empty_person(&policy->people[index]);
        return &policy->people[index];
    }
    if (index >= POLICY_PEOPLE_MAX) {
        building_report_full(building, node, "people", POLICY_PEOPLE_MAX);
        return NULL;
    }
    policy->people = building_grow(policy->people, ++policy->person_count, sizeof *policy->people);
    policy->people[index].name = building_copy_text(node->key);
    return &policy->people[index];
}

static void rules_people_build_person(struct building *building, const struct yaml_node *node)
{
    struct rule_person values;
    rule_read(&building->problems, RULE_SECTION_person, node, &values);
    struct policy_person *person = rules_people_require_person(building, node);
    if (person == NULL) {
        return;
    }
    const char *first_name = values.first_name.text;
    *person = (struct policy_person){
        .name = person->name,
        .display_name = building_copy_text(values.display_name.text),
        .first_name =
            first_name[0] != '\0' ? building_copy_text(first_name) : rules_people_first_word(values.display_name.text),
        .capacity = (uint32_t) values.capacity.number,
        .approve_all = values.approve.number == 1,
    };
    rules_people_build_roles(building, person, &values);
    rules_people_build_agency(building, person, &values, node);
    if (values.brands.node != NULL) {
        person->brands = building_set_of(building, &values.brands, building->all_brands, building_known_brand);
    }
    person->languages = rules_people_build_levels(building, &values.languages,
                                                  values.languages.node != NULL ? building->all_languages : 0,
                                                  building_known_language, person->language_level);
    rules_people_add_regions(building, person, &values.languages);
    person->skills =
        rules_people_build_levels(building, &values.skills, values.skills.number == 0 ? building->all_skills : 0,
                                  building_known_skill, person->skill_level);
}

void building_add_people(struct building *building)
{
    const struct rule_value *people = &building->desk.people;
    for (const struct yaml_node *node = rule_next(people, NULL); node != NULL; node = rule_next(people, node)) {
        rules_people_build_person(building, node);
    }
}
