// rules_posts.c - what posts are told by: the rules under `sensitive`, `topics` and `noise`, and their patterns.
//
// Patterns are only added here; they are compiled together, once everything else is known to be good
// (rules.c).

#include "broker/triage/rule_building.h"

#include <stdio.h>
#include <string.h>

static struct rule *rules_posts_add_rule(struct building *building, enum rule_kind kind, const struct yaml_node *node)
{
    struct rule_set *set = &building->rules->set;
    set->rules = building_grow(set->rules, ++set->rule_count, sizeof *set->rules);
    struct rule *rule = &set->rules[set->rule_count - 1];
    *rule = (struct rule){
        .kind = kind,
        .name = building_copy_text(node->key),
        .languages = UINT64_MAX,
        .channels = UINT64_MAX,
        .band = POLICY_BAND_NORMAL,
        .skill = POLICY_NONE,
    };
    return rule;
}

// The foldings that a value of `exact` turns off.
static unsigned rules_posts_exact_of(struct building *building, const struct rule_value *value)
{
    static const char *const names[] = {
#define FOLDING(name, doc) #name,
#include "broker/triage/foldings.def"
#undef FOLDING
    };
    if (value->number == 1) {
        return FOLDING_ALL;
    }
    unsigned exact = 0;
    for (const struct yaml_node *node = rule_next(value, NULL); node != NULL; node = rule_next(value, node)) {
        struct likeness likeness = { .word = node->text };
        size_t i = 0;
        while (i < FOLDING_COUNT && strcmp(names[i], node->text) != 0) {
            likeness_try(&likeness, names[i++]);
        }
        if (i < FOLDING_COUNT) {
            exact |= 1u << i;
        } else {
            building_report_unknown(building, node, "folding", node->text, likeness.nearest);
        }
    }
    return exact;
}

static void rules_posts_add_pattern(struct building *building, const struct yaml_node *node, const char *label,
                                    uint32_t number, unsigned exact)
{
    struct rule_set *set = &building->rules->set;
    char reason[PATTERN_REASON_BYTES];
    struct pattern_terms terms = { exact, label };
    if (!patterns_add(set->patterns, node->text, node->bytes, &terms, reason)) {
        rule_problem_at(&building->problems, node, "%s", reason);
        return;
    }
    size_t index = set->rule_pattern_count++;
    set->rule_patterns = building_grow(set->rule_patterns, set->rule_pattern_count, sizeof *set->rule_patterns);
    building->pattern_nodes =
        building_grow(building->pattern_nodes, set->rule_pattern_count, sizeof *building->pattern_nodes);
    building->pattern_nodes[index] = node;
    struct rule_pattern *pattern = &set->rule_patterns[index];
    pattern->rule = (uint32_t) (set->rule_count - 1);
    pattern->number = number;
    snprintf(pattern->label, sizeof pattern->label, "%s", label);
    pattern->languages = UINT64_MAX;
    if (set->rules[pattern->rule].theirs && label[0] != '\0') {
        pattern->languages = bit_of(0) | building_languages_like(building, label);
    }
}

// Adds the patterns of the rule added last.
static void rules_posts_add_patterns(struct building *building, const struct rule_value *value,
                                     const struct rule_value *own_exact)
{
    uint32_t number = 0;
    unsigned exact = own_exact->node != NULL ? rules_posts_exact_of(building, own_exact) : building->exact;
    for (const struct yaml_node *node = rule_next(value, NULL); node != NULL; node = rule_next(value, node)) {
        if (node->kind == YAML_SCALAR) {
            rules_posts_add_pattern(building, node, "", ++number, exact);
            continue;
        }
        uint32_t under_label = 0;
        for (const struct yaml_node *pattern = node->first; pattern != NULL; pattern = pattern->next) {
            rules_posts_add_pattern(building, pattern, node->key, ++under_label, exact);
        }
    }
}

static void rules_posts_build_sensitive(struct building *building, const struct yaml_node *node)
{
    struct rule_sensitive values;
    rule_read(&building->problems, RULE_SECTION_sensitive, node, &values);
    struct rule *rule = rules_posts_add_rule(building, RULE_SENSITIVE, node);
    rule->brands = building_set_of(building, &values.brands, building->all_brands, building_known_brand);
    if (values.languages.node != NULL) {
        rule->languages = building_set_of_languages(building, &values.languages);
    }
    rule->theirs = values.languages.number == 1;
    if (values.channels.node != NULL) {
        rule->channels = building_set_of(building, &values.channels, UINT64_MAX, building_known_channel);
    }
    rule->reach = values.reach.number;
    rule->band = (uint8_t) values.band.number;
    rule->has_patterns = values.patterns.node != NULL;
    bool states_something =
        rule->has_patterns || rule->reach > 0 || rule->languages != UINT64_MAX || rule->channels != UINT64_MAX;
    if (!states_something && yaml_node_find(node, "patterns") == NULL) {
        rule_problem_at(&building->problems, node,
                        "holds for every post; state patterns, reach, languages or channels");
    }
    rules_posts_add_patterns(building, &values.patterns, &values.exact);
}

struct rule_value building_approved_topics(const struct yaml_node *brand)
{
    struct rule_value value = { .node = yaml_node_find(brand, "approve"), .number = -1 };
    const struct yaml_node *node = value.node;
    bool word = node != NULL && node->kind == YAML_SCALAR &&
                (strcmp(node->text, "all") == 0 || strcmp(node->text, "none") == 0);
    if (node == NULL || word || node->kind == YAML_MAP) {
        value.node = NULL;
    }
    return value;
}

static uint64_t rules_posts_approving_brands(struct building *building, const char *topic)
{
    uint64_t set = 0;
    const struct rule_value *brands = &building->desk.brands;
    for (const struct yaml_node *node = rule_next(brands, NULL); node != NULL; node = rule_next(brands, node)) {
        struct rule_value topics = building_approved_topics(node);
        uint32_t index = policy_find_brand(building->policy, node->key);
        for (const struct yaml_node *name = rule_next(&topics, NULL); name != NULL; name = rule_next(&topics, name)) {
            if (index != POLICY_NONE && strcmp(name->text, topic) == 0) {
                set |= bit_of(index);
            }
        }
    }
    return set;
}

static void rules_posts_build_topic(struct building *building, const struct yaml_node *node)
{
    struct rule_topic values;
    rule_read(&building->problems, RULE_SECTION_topic, node, &values);
    struct rule *rule = rules_posts_add_rule(building, RULE_TOPIC, node);
    rule->brands = building_set_of(building, &values.brands, building->all_brands, building_known_brand);
    if (values.languages.node != NULL) {
        rule->languages = building_set_of_languages(building, &values.languages);
    }
    rule->theirs = values.languages.number == 1;
    if (values.skill.node != NULL) {
        rule->skill = building_known_skill(building, values.skill.text, values.skill.node);
    }
    rule->band = (uint8_t) values.band.number;
    rule->has_patterns = true;
    rule->approve_brands =
        values.approve.number == 1 ? rule->brands : rules_posts_approving_brands(building, node->key);
    rules_posts_add_patterns(building, &values.patterns, &values.exact);
}

static unsigned rules_posts_only_of(struct building *building, const struct rule_value *value)
{
    static const char *const kinds[] = { "links", "mentions", "hashtags", "emoji" };
    static const unsigned bits[] = { RULE_ONLY_LINKS, RULE_ONLY_MENTIONS, RULE_ONLY_HASHTAGS, RULE_ONLY_EMOJI };
    unsigned only = 0;
    for (const struct yaml_node *node = rule_next(value, NULL); node != NULL; node = rule_next(value, node)) {
        unsigned kind = 0;
        while (kind < 4 && strcmp(kinds[kind], node->text) != 0) {
            kind++;
        }
        if (kind < 4) {
            only |= bits[kind];
        } else {
            rule_problem_at(&building->problems, node, "must be links, mentions, hashtags or emoji, not \"%s\"",
                            node->text);
        }
    }
    return only;
}

static void rules_posts_build_noise(struct building *building, const struct yaml_node *node)
{
    struct rule_noise values;
    rule_read(&building->problems, RULE_SECTION_noise, node, &values);
    struct rule *rule = rules_posts_add_rule(building, RULE_NOISE, node);
    rule->brands = building_set_of(building, &values.brands, building->all_brands, building_known_brand);
    rule->has_patterns = values.patterns.node != NULL;
    rule->empty = values.empty.number == 1;
    rule->only = rules_posts_only_of(building, &values.only);
    if (!rule->has_patterns && !rule->empty && values.only.node == NULL && yaml_node_find(node, "patterns") == NULL &&
        yaml_node_find(node, "only") == NULL) {
        rule_problem_at(&building->problems, node, "holds for no post; state patterns, empty or only");
    }
    rules_posts_add_patterns(building, &values.patterns, &values.exact);
}

void building_add_rules(struct building *building)
{
    struct policy *policy = building->policy;
    building->exact = rules_posts_exact_of(building, &building->desk.exact);
    for (size_t i = 0; i < policy->brand_count; i++) {
        patterns_add_name(building->rules->set.patterns, policy->brands[i].name);
        patterns_add_name(building->rules->set.patterns, policy->brands[i].display_name);
    }
    static const struct {
        enum rule_kind kind;
        void (*build)(struct building *building, const struct yaml_node *node);
    } kinds[] = {
        { RULE_SENSITIVE, rules_posts_build_sensitive },
        { RULE_TOPIC, rules_posts_build_topic },
        { RULE_NOISE, rules_posts_build_noise },
    };
    const struct rule_value *values[] = { &building->desk.sensitive, &building->desk.topics, &building->desk.noise };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (const struct yaml_node *node = rule_next(values[i], NULL); node != NULL;
             node = rule_next(values[i], node)) {
            kinds[i].build(building, node);
        }
    }
}
