// rules.c - a desk's rules of engagement, read from YAML: a policy for the desk and patterns for triage.
//
// In this order: the text becomes a tree, the tree values, the values a policy and rules; what values mean
// to each other is checked on the way, and the patterns are compiled last, if nothing else was wrong.
// The parts have files of their own (rule_building.h says which); here is their order, and what lives as
// long as the rules do.

#include "broker/triage/rules.h"

#include "broker/triage/authors.h"
#include "broker/triage/language.h"
#include "broker/triage/rule_building.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

#define AGENCIES_MAX 2048 // with those that former versions named

// ---- what a policy owns ----

static void rules_free_names(struct policy_name *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(names[i].name);
    }
    free(names);
}

// What a channel owns but for its name.
static void rules_empty_channel(struct policy_channel *channel)
{
    for (size_t i = 0; i < channel->anonymous_count; i++) {
        free(channel->anonymous[i]);
    }
    free(channel->anonymous);
    channel->anonymous = NULL;
    channel->anonymous_count = 0;
}

static void rules_free_policy(struct policy *policy)
{
    free(policy->desk);
    for (size_t i = 0; i < policy->brand_count; i++) {
        building_empty_brand(&policy->brands[i]);
        free(policy->brands[i].name);
    }
    free(policy->brands);
    for (size_t i = 0; i < policy->person_count; i++) {
        building_empty_person(&policy->people[i]);
        free(policy->people[i].name);
    }
    free(policy->people);
    for (size_t i = 0; i < policy->channel_count; i++) {
        rules_empty_channel(&policy->channels[i]);
        free(policy->channels[i].name);
    }
    free(policy->channels);
    rules_free_names(policy->languages, policy->language_count);
    rules_free_names(policy->skills, policy->skill_count);
    rules_free_names(policy->agencies, policy->agency_count);
}

// ---- the desk, its times, channels, skills, agencies ----

static void rules_build_times(struct building *building)
{
    struct rule_times times;
    rule_read(&building->problems, RULE_SECTION_times, building->desk.times.node, &times);
    building->policy->times = (struct policy_times){
        .offer_ms = times.offer.number,
        .grace_ms = times.grace.number,
        .hold_ms = times.hold.number,
        .decline_ms = times.decline.number,
        .prefer_ms = times.prefer.number,
        .keep_ms = times.keep.number,
        .known_author_ms = times.known_author.number,
        .follow_up_ms = times.follow_up.number,
        .posted_max_ms = times.posted.number,
        .band_raise_ms = times.band_raise.number,
        .park_max_ms = times.park.number,
        .fate_ms = times.fate.number,
        .expire_ms = times.expire.number,
        .missed_offers = (uint32_t) times.missed_offers.number,
    };
}

static void rules_add_anonymous(struct policy_channel *channel, const char *name)
{
    size_t count = channel->anonymous_count++;
    channel->anonymous = building_grow(channel->anonymous, count + 1, sizeof *channel->anonymous);
    channel->anonymous[count] = author_fold(name);
}

static void rules_build_authors(struct policy_channel *channel, const struct rule_channel *values)
{
    rules_empty_channel(channel);
    channel->authors_caseless = values->authors.number == 1;
    for (size_t i = 0; values->anonymous.node == NULL && authors_anonymous[i] != NULL; i++) {
        rules_add_anonymous(channel, authors_anonymous[i]);
    }
    if (values->anonymous.node != NULL && values->anonymous.number >= 0) {
        return; // none
    }
    for (const struct yaml_node *name = rule_next(&values->anonymous, NULL); name != NULL;
         name = rule_next(&values->anonymous, name)) {
        rules_add_anonymous(channel, name->text);
    }
}

static void rules_build_channels(struct building *building)
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
                building_report_full(building, node, "channels", POLICY_CHANNELS_MAX);
                return;
            }
            policy->channels = building_grow(policy->channels, ++policy->channel_count, sizeof *policy->channels);
            policy->channels[index].name = building_copy_text(node->key);
        }
        struct policy_channel *channel = &policy->channels[index];
        channel->counting = (enum counting) values.counting.number;
        const struct counting_defaults *defaults = counting_defaults(channel->counting);
        channel->length_max = values.length.node != NULL ? values.length.number : defaults->length_max;
        channel->link_length = values.url_length.node != NULL ? values.url_length.number : defaults->link_length;
        channel->reply_window_ms = values.reply_window.number;
        channel->retired = false;
        rules_build_authors(channel, &values);
        building->all_channels |= bit_of((uint32_t) index);
    }
}

static void rules_build_skills_and_agencies(struct building *building)
{
    struct policy *policy = building->policy;
    const struct rule_value *skills = &building->desk.skills;
    for (const struct yaml_node *node = rule_next(skills, NULL); node != NULL; node = rule_next(skills, node)) {
        uint32_t index = building_require_name(building, &policy->skills, &policy->skill_count, node->text, node,
                                               "skills", POLICY_SET_MAX);
        if (index != POLICY_NONE) {
            building->all_skills |= bit_of(index);
        }
    }
    const struct rule_value *agencies = &building->desk.agencies;
    for (const struct yaml_node *node = rule_next(agencies, NULL); node != NULL; node = rule_next(agencies, node)) {
        building_require_name(building, &policy->agencies, &policy->agency_count, node->text, node, "agencies",
                              AGENCIES_MAX);
    }
}

// ---- all of it ----

static void rules_compile_patterns(struct building *building)
{
    char reason[PATTERN_REASON_BYTES];
    uint32_t at_fault = UINT32_MAX;
    if (patterns_compile(building->rules->set.patterns, &at_fault, reason)) {
        return;
    }
    if (at_fault != UINT32_MAX) {
        rule_problem_at(&building->problems, building->pattern_nodes[at_fault], "%s", reason);
    } else {
        rule_problem(&building->problems, (struct yaml_mark){ 1, 1 }, "", "the patterns together are %s", reason);
    }
}

static void rules_build_desk(struct building *building)
{
    struct policy *policy = building->policy;
    policy->desk = building_copy_text(building->desk.desk.text);
    policy->few = (uint32_t) building->desk.few.number;
    rules_build_times(building);
    rules_build_channels(building);
    rules_build_skills_and_agencies(building);
    building->all_languages = bit_of(building_require_language(building, LANGUAGE_UNKNOWN, building->desk.brands.node));
    building_add_brands(building);
    for (uint32_t i = 0; i < policy->language_count; i++) {
        if (!policy->languages[i].retired) {
            building->all_languages |= bit_of(i);
        }
    }
    building_add_people(building);
    building_add_rules(building);
    // An absent list of people or brands was reported; what it would leave uncovered is not worth repeating.
    if (building->desk.people.node != NULL && building->desk.brands.node != NULL) {
        building_check_brands(building);
    }
    building_check_topics(building);
}

static void rules_check_same_desk(struct building *building, const struct rules *previous)
{
    const struct rule_value *desk = &building->desk.desk;
    if (previous != NULL && desk->node != NULL && strcmp(previous->policy.desk, desk->text) != 0) {
        rule_problem_at(&building->problems, desk->node,
                        "these are the rules of the desk \"%s\"; the broker serves \"%s\"", desk->text,
                        previous->policy.desk);
    }
}

static void rules_report_tree_problem(void *argument, struct yaml_mark mark, const char *key, const char *message)
{
    rule_problem(argument, mark, key, "%s", message);
}

static void rules_build_tree(struct building *building, const struct yaml_tree *tree, const struct rules *previous)
{
    if (previous != NULL) {
        building_start_from(building->policy, &previous->policy);
    }
    rule_read(&building->problems, RULE_SECTION_desk, yaml_tree_root(tree), &building->desk);
    rules_check_same_desk(building, previous);
    rules_build_desk(building);
    if (building->problems.found == 0) {
        rules_compile_patterns(building);
    }
}

// The first detection builds tables, which takes longer than a post may keep the loop; rules are compiled beside it.
static void rules_build_language_tables(void)
{
    struct language_verdict verdict;
    language_detect("where is my submission, it was due on monday", &(struct language_request){ 0 }, &verdict);
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
    if (text_bytes > BEHALF_RULES_BYTES) {
        rule_problem(&building.problems, (struct yaml_mark){ 1, 1 }, "", "%zu bytes long; at most %d are allowed",
                     text_bytes, BEHALF_RULES_BYTES);
    } else {
        tree = yaml_tree_new(text, text_bytes, rules_report_tree_problem, &building.problems);
    }
    if (tree != NULL) {
        rules_build_tree(&building, tree, previous);
    }
    yaml_tree_destroy(&tree);
    free(building.pattern_nodes);
    rules->text = strndup(text, text_bytes);
    must(rules->text != NULL);
    rules_build_language_tables();
    rule_problems_finish(&building.problems, problems);
    rule_problems_finish(&building.warnings, &rules->warnings);
    if (problems->found > 0) {
        rules_destroy(&rules);
    }
    return rules;
}

void rules_destroy(struct rules **rules_p)
{
    struct rules *rules = *rules_p;
    if (rules == NULL) {
        return;
    }
    rules_free_policy(&rules->policy);
    for (size_t i = 0; i < rules->set.rule_count; i++) {
        free(rules->set.rules[i].name);
    }
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
