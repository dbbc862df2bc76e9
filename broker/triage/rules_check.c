// rules_check.c - what must hold between the parts of rules, each of which is good by itself.
//
// Posts must reach somebody, who speaks their language and has their skill; what is to be approved needs an
// approver; a disclosure must leave room for the reply, also with the longest names.

#include "broker/desk/outgoing.h"
#include "broker/triage/rule_building.h"
#include "proto/base/must.h"

#include <stdio.h>
#include <string.h>

#define DISCLOSURE_BYTES_MAX BEHALF_DISCLOSURE_BYTES
#define DISCLOSURE_ROOM 40 // what a channel should leave beside the line, as it counts

static bool rules_check_works_for(const struct policy_person *person, uint32_t brand, enum audience audience)
{
    return !person->retired && (person->brands & bit_of(brand)) != 0 && (person->audiences & 1u << audience) != 0;
}

// Everything that the people of an audience can do for a brand.
static uint64_t rules_check_covered_languages(const struct policy *policy, uint32_t brand, enum audience audience,
                                              size_t *people)
{
    uint64_t languages = 0;
    *people = 0;
    for (size_t i = 0; i < policy->person_count; i++) {
        if (!rules_check_works_for(&policy->people[i], brand, audience)) {
            continue;
        }
        languages |= policy->people[i].languages;
        ++*people;
    }
    return languages;
}

static void rules_check_warn_of_languages(struct building *building, const struct yaml_node *node, uint64_t missing,
                                          const char *whom)
{
    for (uint32_t i = 0; i < building->policy->language_count; i++) {
        if (missing & bit_of(i)) {
            rule_problem_at(&building->warnings, node,
                            "no %s of this brand answers in %s: such posts would wait for nobody", whom,
                            building->policy->languages[i].name);
        }
    }
}

static void rules_check_check_brand_people(struct building *building, const struct yaml_node *node, uint32_t brand)
{
    const struct policy *policy = building->policy;
    size_t people = 0;
    uint64_t served = policy->brands[brand].languages;
    uint64_t covered = rules_check_covered_languages(policy, brand, AUDIENCE_PR, &people);
    char path[YAML_TREE_PATH_BYTES];
    if (people == 0) {
        rule_problem(&building->problems, node->key_mark, yaml_node_path(node, NULL, path),
                     "nobody with the role pr works for this brand: sensitive posts would reach nobody");
    } else {
        rules_check_warn_of_languages(building, node, served & ~covered, "pr person");
    }
    covered = rules_check_covered_languages(policy, brand, AUDIENCE_AGENT, &people);
    if (people == 0) {
        rule_problem_at(&building->warnings, node, "no agent works for this brand: its posts would wait for nobody");
    } else {
        rules_check_warn_of_languages(building, node, served & ~covered, "agent");
    }
}

static bool rules_check_has_approver(const struct policy *policy, uint32_t brand)
{
    size_t people = 0;
    rules_check_covered_languages(policy, brand, AUDIENCE_APPROVER, &people);
    return people > 0;
}

static void rules_check_check_approval(struct building *building, const struct yaml_node *node, uint32_t brand)
{
    const struct policy *policy = building->policy;
    const struct rule_set *set = &building->rules->set;
    bool approves = policy->brands[brand].approve_all;
    for (size_t i = 0; i < set->rule_count; i++) {
        approves = approves || (set->rules[i].approve_brands & set->rules[i].brands & bit_of(brand)) != 0;
    }
    if (approves && !rules_check_has_approver(policy, brand)) {
        rule_problem_at(&building->warnings, node,
                        "replies of this brand are to be approved, and nobody with the role approver works for it");
    }
}

// The topics that a brand wants approved must exist, and be the brand's.
static void rules_check_check_approved_topics(struct building *building, const struct yaml_node *node, uint32_t brand)
{
    struct rule_value topics = building_approved_topics(node);
    const struct rule_set *set = &building->rules->set;
    for (const struct yaml_node *name = rule_next(&topics, NULL); name != NULL; name = rule_next(&topics, name)) {
        const struct rule *topic = NULL;
        struct likeness likeness = { .word = name->text };
        for (size_t i = 0; i < set->rule_count; i++) {
            if (set->rules[i].kind != RULE_TOPIC) {
                continue;
            }
            likeness_try(&likeness, set->rules[i].name);
            if (strcmp(set->rules[i].name, name->text) == 0) {
                topic = &set->rules[i];
            }
        }
        if (topic == NULL) {
            building_report_unknown(building, name, "topic", name->text, likeness.nearest);
        } else if ((topic->brands & bit_of(brand)) == 0) {
            rule_problem_at(&building->warnings, name, "the topic %s is not one of this brand", name->text);
        }
    }
}

// Says whether a line, the longest that anybody makes of it, leaves a channel's replies room.
static void rules_check_check_room(struct building *building, const struct yaml_node *line,
                                   const struct policy_channel *channel, int64_t room)
{
    const char *unit = counting_defaults(channel->counting)->unit;
    long long length = (long long) (channel->length_max - room);
    if (room <= 0) {
        rule_problem_at(&building->problems, line, "takes %lld %s with the longest names; channel %s has %lld in all",
                        length, unit, channel->name, (long long) channel->length_max);
    } else if (room < DISCLOSURE_ROOM) {
        rule_problem_at(&building->warnings, line,
                        "takes %lld %s with the longest names; channel %s leaves %lld for the reply", length, unit,
                        channel->name, (long long) room);
    }
}

// Checks what the people of an audience make of the line for posts in one language.
static void rules_check_check_line(struct building *building, const struct yaml_node *line, struct answering answering)
{
    const struct policy *policy = building->policy;
    size_t bytes_max = 0;
    int64_t room[POLICY_CHANNELS_MAX];
    for (size_t c = 0; c < policy->channel_count; c++) {
        room[c] = policy->channels[c].length_max;
    }
    for (uint32_t person = 0; person < policy->person_count; person++) {
        const struct policy_person *who = &policy->people[person];
        if (!rules_check_works_for(who, answering.brand, answering.audience) ||
            (answering.audience == AUDIENCE_AGENT && who->agency == POLICY_NONE)) {
            continue;
        }
        struct change_list *memory = change_list_new();
        answering.person = person;
        size_t bytes = strlen(outgoing_disclosure(policy, &answering, memory));
        bytes_max = bytes > bytes_max ? bytes : bytes_max;
        for (uint32_t c = 0; c < policy->channel_count; c++) {
            answering.channel = c;
            int64_t left = outgoing_room(policy, &answering, memory);
            room[c] = left < room[c] ? left : room[c];
        }
        change_list_destroy(&memory);
    }
    if (bytes_max > DISCLOSURE_BYTES_MAX) {
        rule_problem_at(&building->problems, line, "grows to %zu bytes with the longest names; at most %d are allowed",
                        bytes_max, DISCLOSURE_BYTES_MAX);
    }
    for (size_t c = 0; c < policy->channel_count; c++) {
        if (!policy->channels[c].retired && policy->channels[c].length_max > 0) {
            rules_check_check_room(building, line, &policy->channels[c], room[c]);
        }
    }
}

// A line, or a line for each of some languages.
static void rules_check_check_lines(struct building *building, const struct yaml_node *lines,
                                    struct answering answering)
{
    if (lines == NULL || lines->kind == YAML_LIST) { // a list was reported where it was read
        return;
    }
    if (lines->kind == YAML_SCALAR) {
        rules_check_check_line(building, lines, answering);
        return;
    }
    for (const struct yaml_node *line = lines->first; line != NULL; line = line->next) {
        answering.language = policy_find_language(building->policy, line->key);
        if (answering.language != POLICY_NONE) {
            rules_check_check_line(building, line, answering);
        }
    }
}

static void rules_check_check_disclosure_lengths(struct building *building, const struct yaml_node *node,
                                                 uint32_t brand)
{
    if (building->unknown_placeholder) {
        return;
    }
    rules_check_check_lines(building, yaml_node_find(node, "disclosure"),
                            (struct answering){ .brand = brand, .audience = AUDIENCE_AGENT });
    rules_check_check_lines(building, yaml_node_find(node, "disclosure_pr"),
                            (struct answering){ .brand = brand, .audience = AUDIENCE_PR });
}

void building_check_brands(struct building *building)
{
    const struct rule_value *brands = &building->desk.brands;
    for (const struct yaml_node *node = rule_next(brands, NULL); node != NULL; node = rule_next(brands, node)) {
        uint32_t index = policy_find_brand(building->policy, node->key);
        if (index == POLICY_NONE) {
            continue;
        }
        rules_check_check_brand_people(building, node, index);
        rules_check_check_approval(building, node, index);
        rules_check_check_approved_topics(building, node, index);
        rules_check_check_disclosure_lengths(building, node, index);
    }
}

static void rules_check_check_topic_skill(struct building *building, const struct yaml_node *node,
                                          const struct rule *topic)
{
    const struct policy *policy = building->policy;
    for (uint32_t brand = 0; brand < policy->brand_count; brand++) {
        if ((topic->brands & building->all_brands & bit_of(brand)) == 0) {
            continue;
        }
        bool somebody = false;
        for (size_t i = 0; i < policy->person_count && !somebody; i++) {
            somebody = rules_check_works_for(&policy->people[i], brand, AUDIENCE_AGENT) &&
                       (policy->people[i].skills & bit_of(topic->skill)) != 0;
        }
        if (!somebody) {
            rule_problem_at(&building->warnings, node,
                            "no agent of %s has the skill %s: such posts would wait for nobody",
                            policy->brands[brand].name, policy->skills[topic->skill].name);
        }
    }
}

void building_check_topics(struct building *building)
{
    const struct rule_set *set = &building->rules->set;
    for (size_t i = 0; i < set->rule_count; i++) {
        const struct rule *rule = &set->rules[i];
        if (rule->kind != RULE_TOPIC || rule->skill == POLICY_NONE) {
            continue;
        }
        const struct yaml_node *node = yaml_node_find(building->desk.topics.node, rule->name);
        must(node != NULL);
        rules_check_check_topic_skill(building, node, rule);
    }
}
