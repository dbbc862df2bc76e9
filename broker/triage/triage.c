// triage.c - what a post needs, found out before it is work: language, sensitivity, skills, noise.
//
// The patterns are looked for once, for all rules; each rule then holds or not.  Sensitive rules come
// first, topics next, noise last, as rule_set.h orders them.

#include "broker/triage/triage.h"

#include "broker/triage/authors.h"
#include "broker/triage/language.h"
#include "broker/triage/patterns.h"
#include "broker/triage/readings.h"
#include "broker/triage/rule_set.h"
#include "proto/base/digits.h"
#include "proto/base/must.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define RULE_BYTES (BEHALF_RULE_NAMES_BYTES + 1) // names of the rules that decided; those that do not fit are left out
#define DETAIL_BYTES 1024                        // what matched, in words

// The desk may say before it of which item it was an edit.
static_assert(DETAIL_BYTES + 128 <= BEHALF_DETAIL_BYTES, "what matched can be told in an event");
#define NO_PATTERN UINT32_MAX

struct triage {
    struct readings *readings;
    struct patterns_memory *memory;
    uint32_t *first_pattern; // by rule: the first of its patterns that was found, or NO_PATTERN
    size_t rule_capacity;    // rules there is room for in it
    char rule[RULE_BYTES];
    char detail[DETAIL_BYTES];
    char *author; // as authors of the channel are compared
};

// A post with what was found out about it so far.
struct finding {
    struct triage *triage;
    const struct rules *rules;
    const struct rule_set *set;
    const struct behalf_post *post;
    struct needs *needs;
    struct language_verdict verdict;
    uint32_t language; // of the text; 0 where it could not be told
    bool unsure;       // it was told, and not surely enough
};

struct triage *triage_new(void)
{
    struct triage *triage = calloc(1, sizeof *triage);
    must(triage != NULL);
    triage->readings = readings_new();
    triage->memory = patterns_memory_new();
    return triage;
}

void triage_destroy(struct triage **triage_p)
{
    struct triage *triage = *triage_p;
    if (triage == NULL) {
        return;
    }
    readings_destroy(&triage->readings);
    patterns_memory_destroy(&triage->memory);
    free(triage->first_pattern);
    free(triage->author);
    free(triage);
    *triage_p = NULL;
}

// Adds words to a text, up to a NULL, as far as they fit all together.
static void triage_add_words(char *text, size_t text_bytes, ...) __attribute__((sentinel));

static void triage_add_words(char *text, size_t text_bytes, ...)
{
    size_t used = strlen(text);
    size_t end = used;
    const char *words;
    va_list arguments;
    va_start(arguments, text_bytes);
    while ((words = va_arg(arguments, const char *)) != NULL) {
        size_t bytes = strlen(words);
        if (bytes >= text_bytes - end) {
            end = used;
            break;
        }
        memcpy(text + end, words, bytes);
        end += bytes;
    }
    va_end(arguments);
    text[end] = '\0';
}

// ---- language ----

static void triage_find_language(struct finding *finding, const char *author_language)
{
    const struct policy *policy = rules_policy(finding->rules);
    const struct policy_brand *brand = &policy->brands[finding->needs->brand];
    const char *served[LANGUAGE_SERVED_COUNT];
    size_t served_count = 0;
    for (uint32_t i = 1; i < policy->language_count; i++) {
        if (brand->languages & UINT64_C(1) << i) {
            served[served_count++] = policy->languages[i].name;
        }
    }
    struct language_request request = {
        .served = served,
        .served_count = served_count,
        .platform_tag = finding->post->language,
        .author_earlier = author_language,
    };
    const char *text = finding->post->text != NULL ? finding->post->text : "";
    language_detect(text, &request, &finding->verdict);
    finding->language = policy_find_language(policy, finding->verdict.language);
    if (finding->language == POLICY_NONE) {
        finding->language = 0;
    }
    const struct unsure_language *unsure = &finding->set->unsure[finding->needs->brand];
    finding->unsure = finding->language > 0 && finding->verdict.confidence < unsure->below;
    if (finding->unsure) {
        finding->language = 0;
    }
    finding->needs->language = finding->language > 0 ? finding->language
                               : finding->unsure     ? unsure->language
                                                     : brand->und_language;
}

static void triage_tell_language(struct finding *finding)
{
    const struct policy *policy = rules_policy(finding->rules);
    char *detail = finding->triage->detail;
    const char *before = detail[0] != '\0' ? "; " : "";
    const char *queue = policy->languages[finding->needs->language].name;
    const struct language_verdict *verdict = &finding->verdict;
    char confidence[DIGITS_BYTES], below[DIGITS_BYTES];
    const char *sure = digits_of((uint64_t) verdict->confidence, confidence);
    if (finding->unsure) {
        triage_add_words(detail, DETAIL_BYTES, before, "language not told surely: ", verdict->language, " by ",
                         verdict->reason, ", ", sure, " is below ",
                         digits_of((uint64_t) finding->set->unsure[finding->needs->brand].below, below),
                         "; waits with ", queue, NULL);
    } else if (finding->language > 0) {
        triage_add_words(detail, DETAIL_BYTES, before, "language ", queue, " by ", verdict->reason, ", ", sure, NULL);
    } else if (finding->needs->language > 0) {
        triage_add_words(detail, DETAIL_BYTES, before, "language not told: ", verdict->reason, "; waits with ", queue,
                         NULL);
    } else {
        triage_add_words(detail, DETAIL_BYTES, before, "language not told: ", verdict->reason, NULL);
    }
}

// ---- patterns ----

static void triage_find_patterns(struct finding *finding)
{
    struct triage *triage = finding->triage;
    const struct rule_set *set = finding->set;
    if (triage->rule_capacity < set->rule_count) {
        free(triage->first_pattern);
        triage->first_pattern = calloc(set->rule_count, sizeof *triage->first_pattern);
        must(triage->first_pattern != NULL);
        triage->rule_capacity = set->rule_count;
    }
    for (size_t i = 0; i < set->rule_count; i++) {
        triage->first_pattern[i] = NO_PATTERN;
    }
    size_t count = 0;
    const uint32_t *found = patterns_find(set->patterns, triage->memory, triage->readings, &count);
    for (size_t i = count; i-- > 0;) {
        const struct rule_pattern *pattern = &set->rule_patterns[found[i]];
        if (pattern->languages & UINT64_C(1) << finding->language) {
            triage->first_pattern[pattern->rule] = found[i];
        }
    }
}

static void triage_tell_pattern(struct finding *finding, uint32_t pattern)
{
    const struct rule_pattern *which = &finding->set->rule_patterns[pattern];
    char digits[DIGITS_BYTES];
    triage_add_words(finding->triage->detail, DETAIL_BYTES, " pattern ", which->label,
                     which->label[0] != '\0' ? " " : "", digits_of(which->number, digits), NULL);
}

// ---- rules ----

static bool triage_concerns(const struct finding *finding, const struct rule *rule)
{
    return (rule->brands & UINT64_C(1) << finding->needs->brand) != 0 &&
           (rule->channels & UINT64_C(1) << finding->needs->channel) != 0 &&
           (rule->languages & UINT64_C(1) << finding->language) != 0;
}

// True if all that a sensitive rule or a topic states is so.
static bool triage_holds(const struct finding *finding, size_t index)
{
    const struct rule *rule = &finding->set->rules[index];
    return triage_concerns(finding, rule) && finding->post->reach >= rule->reach &&
           (!rule->has_patterns || finding->triage->first_pattern[index] != NO_PATTERN);
}

static void triage_tell_sensitive(struct finding *finding, size_t index)
{
    const struct policy *policy = rules_policy(finding->rules);
    const struct rule *rule = &finding->set->rules[index];
    char *detail = finding->triage->detail;
    triage_add_words(detail, DETAIL_BYTES, detail[0] != '\0' ? "; " : "", "sensitive ", rule->name, ":", NULL);
    if (rule->has_patterns) {
        triage_tell_pattern(finding, finding->triage->first_pattern[index]);
    }
    if (rule->reach > 0) {
        char reach[DIGITS_BYTES], least[DIGITS_BYTES];
        triage_add_words(detail, DETAIL_BYTES, " reach ", digits_of((uint64_t) finding->post->reach, reach),
                         " is at least ", digits_of((uint64_t) rule->reach, least), NULL);
    }
    if (rule->languages != UINT64_MAX) {
        triage_add_words(detail, DETAIL_BYTES, " in ", policy->languages[finding->language].name, NULL);
    }
    if (rule->channels != UINT64_MAX) {
        triage_add_words(detail, DETAIL_BYTES, " on ", policy->channels[finding->needs->channel].name, NULL);
    }
}

// The most urgent of the sensitive rules that hold decides, the first written among equals.
static bool triage_apply_sensitive(struct finding *finding)
{
    struct needs *needs = finding->needs;
    size_t decided = SIZE_MAX;
    for (size_t i = 0; i < finding->set->rule_count; i++) {
        const struct rule *rule = &finding->set->rules[i];
        if (rule->kind == RULE_SENSITIVE && triage_holds(finding, i)) {
            if (decided == SIZE_MAX || rule->band < finding->set->rules[decided].band) {
                decided = i;
            }
        }
    }
    if (decided == SIZE_MAX) {
        return false;
    }
    needs->audience = AUDIENCE_PR;
    needs->band = finding->set->rules[decided].band;
    triage_add_words(finding->triage->rule, RULE_BYTES, "sensitive ", finding->set->rules[decided].name, NULL);
    triage_tell_sensitive(finding, decided);
    for (size_t i = 0; i < finding->set->rule_count; i++) {
        if (i != decided && finding->set->rules[i].kind == RULE_SENSITIVE && triage_holds(finding, i)) {
            triage_tell_sensitive(finding, i);
        }
    }
    return true;
}

static void triage_apply_topic(struct finding *finding, size_t index, bool first)
{
    const struct rule *rule = &finding->set->rules[index];
    struct needs *needs = finding->needs;
    char *detail = finding->triage->detail;
    if (rule->skill != POLICY_NONE) {
        needs->skills |= UINT64_C(1) << rule->skill;
    }
    needs->approval |= (rule->approve_brands & UINT64_C(1) << needs->brand) != 0;
    if (first || rule->band < needs->band) {
        needs->band = rule->band;
    }
    triage_add_words(finding->triage->rule, RULE_BYTES, first ? "topic " : ", ", rule->name, NULL);
    triage_add_words(detail, DETAIL_BYTES, first ? "" : "; ", "topic ", rule->name, ":", NULL);
    triage_tell_pattern(finding, finding->triage->first_pattern[index]);
}

static bool triage_apply_topics(struct finding *finding)
{
    bool any = false;
    for (size_t i = 0; i < finding->set->rule_count; i++) {
        if (finding->set->rules[i].kind != RULE_TOPIC || !triage_holds(finding, i)) {
            continue;
        }
        triage_apply_topic(finding, i, !any);
        any = true;
    }
    return any;
}

static void triage_apply_noise(struct finding *finding)
{
    struct triage *triage = finding->triage;
    unsigned kinds = readings_contents(triage->readings);
    for (size_t i = 0; i < finding->set->rule_count && !finding->needs->noise; i++) {
        const struct rule *rule = &finding->set->rules[i];
        if (rule->kind != RULE_NOISE || !triage_concerns(finding, rule)) {
            continue;
        }
        bool empty = rule->empty && readings_empty(triage->readings);
        bool only = kinds != 0 && (kinds & ~rule->only) == 0;
        bool pattern = triage->first_pattern[i] != NO_PATTERN;
        if (!empty && !only && !pattern) {
            continue;
        }
        finding->needs->noise = true;
        triage_add_words(triage->rule, RULE_BYTES, "noise ", rule->name, NULL);
        triage_add_words(triage->detail, DETAIL_BYTES, "noise ", rule->name, ":",
                         empty  ? " no text"
                         : only ? " no words"
                                : "",
                         NULL);
        if (!empty && !only) {
            triage_tell_pattern(finding, triage->first_pattern[i]);
        }
    }
}

const char *triage_author(struct triage *triage, const struct rules *rules, const char *channel, const char *author)
{
    const struct policy *policy = rules_policy(rules);
    uint32_t index = policy_find_channel(policy, channel);
    char *folded = author_fold(author);
    bool nobody = index == POLICY_NONE ? !*author : author_is_nobody(&policy->channels[index], folded);
    bool caseless = index != POLICY_NONE && policy->channels[index].authors_caseless;
    free(triage->author);
    triage->author = folded;
    if (nobody) {
        folded[0] = '\0';
    }
    if (!nobody && !caseless) {
        triage->author = strdup(author);
        must(triage->author != NULL);
        free(folded);
    }
    return triage->author;
}

bool triage_post(struct triage *triage, const struct rules *rules, const struct behalf_post *post,
                 const char *author_language, struct needs *needs, const char **field)
{
    const struct policy *policy = rules_policy(rules);
    *needs = (struct needs){
        .brand = policy_find_brand(policy, post->brand),
        .channel = policy_find_channel(policy, post->channel),
        .audience = AUDIENCE_AGENT,
        .band = POLICY_BAND_NORMAL,
        .author = triage_author(triage, rules, post->channel, post->author),
        .rule = triage->rule,
        .detail = triage->detail,
    };
    triage->rule[0] = '\0';
    triage->detail[0] = '\0';
    if (needs->brand == POLICY_NONE || needs->channel == POLICY_NONE) {
        *field = needs->brand == POLICY_NONE ? "brand" : "channel";
        return false;
    }
    struct finding finding = {
        .triage = triage, .rules = rules, .set = rules_set(rules), .post = post, .needs = needs
    };
    const char *text = post->text != NULL ? post->text : "";
    readings_take(triage->readings, text, strlen(text));
    triage_find_language(&finding, author_language);
    triage_find_patterns(&finding);
    if (!triage_apply_sensitive(&finding) && !triage_apply_topics(&finding)) {
        triage_apply_noise(&finding);
    }
    triage_tell_language(&finding);
    return true;
}
