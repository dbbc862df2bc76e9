// rules_brands.c - brands, from the values under `brands`: their languages, service levels and disclosure.

#include "broker/triage/rule_building.h"

#include "broker/triage/language.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void rules_brands_free_wordings(struct policy_wordings *wordings)
{
    for (size_t i = 0; i < wordings->count; i++) {
        free(wordings->list[i].text);
    }
    free(wordings->list);
}

void building_empty_brand(struct policy_brand *brand)
{
    rules_brands_free_wordings(&brand->guidance_in);
    rules_brands_free_wordings(&brand->disclosure_in);
    rules_brands_free_wordings(&brand->disclosure_pr_in);
    free(brand->display_name);
    free(brand->guidance);
    free(brand->disclosure);
    free(brand->disclosure_pr);
}

// Checks the placeholders of a disclosure line; `allowed` holds those that can stand in it.
static void rules_brands_check_placeholders(struct building *building, const struct yaml_node *line,
                                            const char *allowed)
{
    for (const char *open = strchr(line->text, '{'); open != NULL; open = strchr(open + 1, '{')) {
        size_t bytes = strcspn(open, "}");
        char name[64];
        snprintf(name, sizeof name, "%.*s}", bytes < 60 ? (int) bytes : 60, open);
        if (open[bytes] != '\0' && strstr(allowed, name) != NULL) {
            continue;
        }
        building->unknown_placeholder = true;
        struct likeness likeness = { .word = name };
        static const char *const known[] = { "{first_name}", "{name}", "{agency}", "{brand}" };
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            if (strstr(allowed, known[i]) != NULL) {
                likeness_try(&likeness, known[i]);
            }
        }
        if (likeness.nearest != NULL) {
            rule_problem_at(&building->problems, line, "unknown placeholder %s; did you mean %s?", name,
                            likeness.nearest);
        } else {
            rule_problem_at(&building->problems, line, "unknown placeholder %s; there are %s", name, allowed);
        }
    }
}

// A reader of the reply must learn from the line for whom and from where it was written.
static void rules_brands_check_line(struct building *building, const struct yaml_node *line,
                                    const struct rule_brand *brand, bool of_agents)
{
    const char *name = brand->display_name.text;
    rules_brands_check_placeholders(
        building, line, of_agents ? "{first_name}, {name}, {agency}, {brand}" : "{first_name}, {name}, {brand}");
    if (of_agents && strstr(line->text, "{agency}") == NULL) {
        rule_problem_at(&building->problems, line,
                        "does not say for which company the agent works; put {agency} into it");
    }
    if (strstr(line->text, "{brand}") == NULL && (name[0] == '\0' || strstr(line->text, name) == NULL)) {
        rule_problem_at(&building->problems, line, "does not say for whom it is answered; put {brand} into it");
    }
}

static void rules_brands_check_disclosure(struct building *building, const struct rule_value *value,
                                          const struct rule_brand *brand, bool of_agents)
{
    const struct yaml_node *line = value->node;
    if (line == NULL) {
        return;
    }
    if (line->kind == YAML_SCALAR) {
        rules_brands_check_line(building, line, brand, of_agents);
    } else {
        for (line = rule_next(value, NULL); line != NULL; line = rule_next(value, line)) {
            rules_brands_check_line(building, line, brand, of_agents);
        }
    }
}

// The texts of a WORDING value that stand under languages, which must be the brand's.
static struct policy_wordings rules_brands_build_wordings(struct building *building, const struct policy_brand *brand,
                                                          const struct rule_value *value)
{
    struct policy_wordings wordings = { 0 };
    if (value->node == NULL || value->node->kind != YAML_MAP) {
        return wordings;
    }
    for (const struct yaml_node *node = rule_next(value, NULL); node != NULL; node = rule_next(value, node)) {
        uint32_t language = policy_find_language(building->policy, node->key);
        if (language == POLICY_NONE || (brand->languages & bit_of(language)) == 0) {
            rule_problem_at(&building->problems, node, "%s is none of the brand's languages", node->key);
            continue;
        }
        wordings.list = building_grow(wordings.list, ++wordings.count, sizeof *wordings.list);
        wordings.list[wordings.count - 1] = (struct policy_wording){ language, building_copy_text(node->text) };
    }
    return wordings;
}

static void rules_brands_build_service_levels(struct building *building, struct policy_brand *brand,
                                              const struct yaml_node *node)
{
    struct rule_service_level values;
    rule_read(&building->problems, RULE_SECTION_service_level, node, &values);
    brand->service_level_ms[AUDIENCE_AGENT] = values.agent.number;
    brand->service_level_ms[AUDIENCE_PR] = values.pr.number;
    brand->service_level_ms[AUDIENCE_APPROVER] = values.approver.number;
    brand->service_level_ms[AUDIENCE_SUPERVISOR] = values.supervisor.number;
}

static void rules_brands_build_brand_languages(struct building *building, struct policy_brand *brand,
                                               const struct rule_brand *values)
{
    uint32_t main_language = POLICY_NONE;
    for (const struct yaml_node *node = rule_next(&values->languages, NULL); node != NULL;
         node = rule_next(&values->languages, node)) {
        uint32_t index = building_require_language(building, node->text, node);
        if (index == 0) {
            rule_problem_at(&building->problems, node,
                            "und is not a language to serve; write undetermined: und instead");
        }
        if (index == 0 || index == POLICY_NONE) {
            continue;
        }
        brand->languages |= bit_of(index);
        main_language = main_language == POLICY_NONE ? index : main_language;
    }
    brand->und_language = main_language == POLICY_NONE ? 0 : main_language;
    if (values->undetermined.node != NULL) {
        uint32_t index = building_brands_language(building, &values->undetermined, brand->languages);
        brand->und_language = index != POLICY_NONE ? index : brand->und_language;
    }
    if (brand->und_language == 0) {
        brand->languages |= bit_of(0);
    }
}

// Of languages that are nearly written alike the smaller is hardly ever the answer.
static void rules_brands_warn_of_rivals(struct building *building, const struct policy_brand *brand,
                                        const struct rule_value *languages)
{
    for (const struct yaml_node *node = rule_next(languages, NULL); node != NULL; node = rule_next(languages, node)) {
        const char *rival = language_rival(node->text);
        uint32_t index = rival != NULL ? policy_find_language(building->policy, rival) : POLICY_NONE;
        if (index != POLICY_NONE && (brand->languages & bit_of(index)) != 0) {
            rule_problem_at(&building->warnings, node,
                            "posts in %s are mostly taken for %s, which is served too; only the platform's tag tells "
                            "them apart",
                            node->text, rival);
        }
    }
}

static void rules_brands_build_unsure(struct building *building, struct policy_brand *brand,
                                      const struct yaml_node *node)
{
    struct rule_unsure values;
    rule_read(&building->problems, RULE_SECTION_unsure, node, &values);
    struct unsure_language *unsure = &building->rules->set.unsure[policy_find_brand(building->policy, brand->name)];
    unsure->below = (int) values.below.number;
    unsure->language = brand->und_language;
    if (values.language.node != NULL) {
        uint32_t index = building_brands_language(building, &values.language, brand->languages);
        unsure->language = index != POLICY_NONE ? index : unsure->language;
    }
    if (unsure->below > 0 && unsure->language == 0) {
        brand->languages |= bit_of(0);
    }
}

// What the rule names, then what it left out, in its usual order.
static void rules_brands_build_choose(struct building *building, struct policy_brand *brand,
                                      const struct rule_value *value)
{
    size_t count = 0;
    bool named[CHOICE_COUNT] = { false };
    for (const struct yaml_node *node = rule_next(value, NULL); node != NULL; node = rule_next(value, node)) {
        unsigned choice = CHOOSE_NOTHING + 1;
        while (choice < CHOICE_COUNT && strcmp(policy_choice_name((enum policy_choice) choice), node->text) != 0) {
            choice++;
        }
        if (choice < CHOICE_COUNT && named[choice]) {
            continue; // twice: the reader has said so
        }
        if (choice == CHOICE_COUNT) {
            rule_problem_at(&building->problems, node, "must be least_in_hand, level or idle, not \"%s\"", node->text);
            continue;
        }
        named[choice] = true;
        brand->choose[count++] = (uint8_t) choice;
    }
    for (unsigned choice = CHOOSE_NOTHING + 1; choice < CHOICE_COUNT; choice++) {
        if (!named[choice]) {
            brand->choose[count++] = (uint8_t) choice;
        }
    }
}

static struct policy_brand *rules_brands_require_brand(struct building *building, const struct yaml_node *node)
{
    struct policy *policy = building->policy;
    size_t index;
    FIND_ANY(policy->brands, policy->brand_count, node->key, index);
    if (index < policy->brand_count) {
        building_empty_brand(&policy->brands[index]);
    } else {
        if (index >= POLICY_SET_MAX) {
            building_report_full(building, node, "brands", POLICY_SET_MAX);
            return NULL;
        }
        policy->brands = building_grow(policy->brands, ++policy->brand_count, sizeof *policy->brands);
        policy->brands[index].name = building_copy_text(node->key);
    }
    building->all_brands |= bit_of((uint32_t) index);
    return &policy->brands[index];
}

static void rules_brands_build_brand(struct building *building, const struct yaml_node *node)
{
    struct rule_brand values;
    rule_read(&building->problems, RULE_SECTION_brand, node, &values);
    struct policy_brand *brand = rules_brands_require_brand(building, node);
    if (brand == NULL) {
        return;
    }
    *brand = (struct policy_brand){
        .name = brand->name,
        .display_name = building_copy_text(values.display_name.text),
        .guidance = building_copy_text(values.guidance.text),
        .disclosure = building_copy_text(values.disclosure.text),
        .disclosure_pr = building_copy_text(values.disclosure_pr.text),
        .take_automatic = values.take.number == 1,
        .approve_all = values.approve.number == 1,
        .escalate_late = values.escalate_late.number == 1,
    };
    rules_brands_check_disclosure(building, &values.disclosure, &values, true);
    rules_brands_check_disclosure(building, &values.disclosure_pr, &values, false);
    rules_brands_build_choose(building, brand, &values.choose);
    rules_brands_build_brand_languages(building, brand, &values);
    rules_brands_warn_of_rivals(building, brand, &values.languages);
    rules_brands_build_unsure(building, brand, values.unsure.node);
    brand->guidance_in = rules_brands_build_wordings(building, brand, &values.guidance);
    brand->disclosure_in = rules_brands_build_wordings(building, brand, &values.disclosure);
    brand->disclosure_pr_in = rules_brands_build_wordings(building, brand, &values.disclosure_pr);
    rules_brands_build_service_levels(building, brand, values.service_level.node);
    if (brand->escalate_late && brand->service_level_ms[AUDIENCE_AGENT] == 0) {
        rule_problem_at(&building->warnings, values.escalate_late.node,
                        "nothing is ever late: the brand has no service_level for agent");
    }
}

void building_add_brands(struct building *building)
{
    const struct rule_value *brands = &building->desk.brands;
    for (const struct yaml_node *node = rule_next(brands, NULL); node != NULL; node = rule_next(brands, node)) {
        rules_brands_build_brand(building, node);
    }
}
