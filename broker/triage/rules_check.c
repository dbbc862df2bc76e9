// rules_check.c - what must hold between the parts of rules, each of which is good by itself.
//
// Posts must reach somebody, who speaks their language and has their skill; what is to be approved needs an
// approver; a disclosure must leave room for the reply, also with the longest names.

#include "broker/triage/rule_building.h"
#include "proto/must.h"

#include <stdio.h>
#include <string.h>

#define DISCLOSURE_BYTES_MAX 512 // of the line as it goes out (ITEM.disclosure)
#define DISCLOSURE_ROOM 40       // characters that a channel should leave beside the line

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
    struct rule_value topics = building_approved_topics(node);
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
            building_report_unknown(building, name, "topic", name->text, likeness.nearest);
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

void building_check_brands(struct building *building)
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

void building_check_topics(struct building *building)
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
